@normal @allure.epic:What_an_operator_can_do
Feature: A volume can be restored to an earlier state

  Rule: A snapshot is kept, whatever happens to the volume later

    Scenario: A volume is restored, and its state until then is kept too
      Given the operator has typed on "node1"
        """
        docker run --rm --volume-driver flocker -v wiki:/data busybox sh -c "echo good > /data/page"
        """
      When the operator types on "node1"
        """
        sudo flocker snapshot wiki --label "before the upgrade"
        """
      And the operator notes the state of "wiki" it names as GOOD
      And the operator types on "node1"
        """
        docker run --rm --volume-driver flocker -v wiki:/data busybox sh -c "echo bad > /data/page"
        """
      And the operator types on "node2"
        """
        sudo flocker snapshots wiki
        """
      Then it says "before the upgrade"
      When the operator types on "node1"
        """
        sudo flocker restore GOOD
        """
      And the operator notes the state of "wiki" it names as BAD
      And the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v wiki:/data busybox cat /data/page
        """
      Then it prints "good"
      When the operator types on "node2"
        """
        docker volume create -d flocker -o from=BAD wiki-as-it-was
        """
      And the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v wiki-as-it-was:/data busybox cat /data/page
        """
      Then it prints "bad"

    Scenario: A snapshot is kept until it is pruned
      Given the operator has typed on "node1"
        """
        docker run --rm --volume-driver flocker -v wiki:/data busybox sh -c "echo good > /data/page"
        """
      When the operator types on "node1"
        """
        sudo flocker snapshot wiki
        """
      And the operator notes the state of "wiki" it names as GOOD
      And the operator types on "node2"
        """
        sudo flocker prune GOOD
        """
      Then it succeeds
      When the operator types on "node1"
        """
        sudo flocker snapshots wiki
        """
      Then it says "No snapshots yet"

    Scenario: A new volume begins as a snapshot of another, which stays as it is
      Given the operator has typed on "node1"
        """
        docker run --rm --volume-driver flocker -v shop:/data busybox sh -c "echo real > /data/orders"
        """
      When the operator types on "node1"
        """
        sudo flocker snapshot shop
        """
      And the operator notes the state of "shop" it names as SNAPSHOT
      And the operator types on "node1"
        """
        docker volume create -d flocker -o from=SNAPSHOT shop-staging
        """
      And the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v shop-staging:/data busybox sh -c "cat /data/orders && echo test > /data/orders"
        """
      Then it prints "real"
      When the operator types on "node1"
        """
        docker run --rm --volume-driver flocker -v shop:/data busybox cat /data/orders
        """
      Then it prints "real"

    Scenario: A volume in use is not put back under its container
      Given a container on "node1" keeps writing to the volume "wiki"
      When the operator types on "node1"
        """
        sudo flocker snapshot wiki
        """
      And the operator notes the state of "wiki" it names as GOOD
      And the operator types on "node1"
        """
        sudo flocker restore GOOD
        """
      Then it is refused with "in use by container 'writer' on node1"
      And the container on "node1" still writes

  Rule: Volumes that belong together are frozen at one instant

    Scenario: An order is never without its payment in a pair of snapshots
      The container writes to one volume, then the same number to the other, as fast as it can.

      Given the operator has typed on "node1"
        """
        docker run -d --init --name shop --volume-driver flocker -v orders:/orders -v payments:/payments busybox sh -c 'while :; do i=$((i+1)); echo $i >> /orders/log; echo $i >> /payments/log; usleep 1000; done'
        """
      When the operator types on "node1"
        """
        sudo flocker snapshot orders payments
        """
      And the operator notes the state of "orders" it names as ORDERS
      And the operator notes the state of "payments" it names as PAYMENTS
      And the operator types on "node1"
        """
        docker volume create -d flocker -o from=ORDERS orders-then && docker volume create -d flocker -o from=PAYMENTS payments-then
        """
      And the operator types on "node1"
        """
        docker run --rm --volume-driver flocker -v orders-then:/orders -v payments-then:/payments busybox sh -c 'echo $(($(wc -l < /orders/log) - $(wc -l < /payments/log)))'
        """
      Then it prints either "0" or "1"

  Rule: A removed volume can be restored

    Scenario: A volume that was removed comes back with its data
      Given the operator has typed on "node1"
        """
        docker run --rm --volume-driver flocker -v wiki:/data busybox sh -c "echo precious > /data/page"
        """
      And the operator has typed on "node1"
        """
        docker volume rm wiki
        """
      When the operator types on "node2"
        """
        sudo flocker trash
        """
      Then it says "wiki"
      When the operator types on "node2"
        """
        sudo flocker undelete wiki
        """
      Then it succeeds
      When the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v wiki:/data busybox cat /data/page
        """
      Then it prints "precious"
