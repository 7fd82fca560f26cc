@slow @normal @allure.epic:The_promises
Feature: Three hundred volumes are as little trouble as three

  Rule: Many volumes slow nothing down

    @three_nodes
    Scenario: Lists are fast, engines start as before, and idle drivers are idle
      Given the engine of "node1" takes a while to start, without volumes
      And the operators of all nodes have typed at once
        """
        seq 100 | xargs -P 4 -I N docker volume create -d flocker $(hostname)-N
        seq --format $(hostname)-%g 100 | xargs -P 4 -n 25 docker volume rm  # three hundred have come and gone
        """
      When the operators of all nodes type at once
        """
        seq 100 | xargs -P 4 -I N docker volume create -d flocker $(hostname)-N
        """
      Then all of them succeed
      When the operator types on "node1"
        """
        docker volume ls --quiet | wc -l
        """
      Then it prints "300" in less than a second
      And the driver on "node1" lists its volumes in less than 100 milliseconds
      And the driver on "node1" comes to rest below 2 % of a core and 120 MB
      And the engine of "node1" starts at most 2 seconds slower than that

  Rule: Many containers can start at once

    Scenario: Fifty containers with a volume each start on one node, and then on another
      When the operator types on "node1"
        """
        seq 50 | xargs -P 50 -I N docker run --rm --volume-driver flocker -v page-N:/data busybox sh -c "echo page N > /data/page"
        """
      Then it succeeds
      When the operator types on "node2"
        """
        seq 50 | xargs -P 50 -I N docker run --rm --volume-driver flocker -v page-N:/data busybox cat /data/page | sort -u | wc -l
        """
      Then it prints "50"
