@critical @fault @three_nodes @allure.epic:The_promises
Feature: Nothing that runs depends on the control plane

  etcd is where the nodes agree who may write. While it is away nothing new can be agreed, and
  everything else goes on: containers write, questions are answered from what each node knows.

  Rule: Containers keep running, and calls that need a decision are refused with the reason

    @slow
    Scenario: Two of the three nodes lose their etcd, and get it back
      Given the operator has typed on "node1"
        """
        docker volume create -d flocker --label team=sales ticks
        """
      And a container on "node1" keeps writing to the volume "ticks"
      When etcd stops on "node2" and "node3"
      And "node1" has noticed that nothing can be agreed
      Then the container on "node1" still writes
      When the operator types on "node1"
        """
        docker ps
        """
      Then it says "writer" in less than a second
      When the operator types on "node2"
        """
        docker volume ls
        """
      Then it says "ticks" in less than a second
      When the operator types on "node1"
        """
        docker volume inspect ticks
        """
      Then it says "sales" in less than a second
      When the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v ticks:/data busybox ls /data
        """
      Then it is refused with "etcd"
      And the container on "node1" still writes
      When etcd is back on all nodes
      And the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v ticks:/data busybox ls /data
        """
      Then it is refused with "in use by container 'writer' on node1"
      When the operator types on "node1"
        """
        docker stop writer
        """
      And the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v ticks:/data busybox ls /data
        """
      Then it prints "log"

  Rule: An answer that is not known is not "there is none"

    Scenario: An engine that starts while etcd is away forgets no volume and no label
      Given the operator has typed on "node1"
        """
        docker volume create -d flocker --label team=sales ticks
        """
      When etcd stops on all nodes
      And the engine of "node1" is restarted
      And the operator types on "node1"
        """
        docker volume inspect ticks
        """
      Then it says "sales" in less than a second
      When etcd is back on all nodes
      And the operator types on "node1"
        """
        docker volume inspect ticks
        """
      Then it says "sales"
      When the operator types on "node1"
        """
        docker run --rm --volume-driver flocker -v ticks:/data busybox echo here
        """
      Then it prints "here"

  Rule: A control plane that is slow for a moment refuses nothing

    Scenario: A disk that all nodes share holds etcd up while a container starts
      Given the operators of all nodes have typed at once
        """
        sudo systemctl kill --signal=STOP etcd
        (sleep 8; sudo systemctl kill --signal=CONT etcd) > /dev/null 2>&1 &  # so long it is held up
        """
      When the operator types on "node1"
        """
        docker run --rm --volume-driver flocker -v patience:/data busybox sh -c "echo here > /data/word"
        """
      Then it succeeds
      When the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v patience:/data busybox cat /data/word
        """
      Then it prints "here"
