@blocker @allure.epic:The_promises
Feature: One node at a time writes to a volume

  Two writers would ruin the data without anyone noticing. So a volume is refused while another
  node uses it, and the answer says what to do.

  Rule: A volume in use elsewhere is refused

    Scenario: The answer names the node and the container, and the way is free when that has stopped
      Given a container on "node1" keeps writing to the volume "ledger"
      When the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v ledger:/data busybox tail -n 1 /data/log
        """
      Then it is refused with "volume 'ledger' is in use by container 'writer' on node1"
      And the container on "node1" still writes
      When the operator types on "node1"
        """
        docker stop writer
        """
      And the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v ledger:/data busybox tail -n 1 /data/log
        """
      Then it succeeds
      And "node2" owns the volume "ledger"

  Rule: Of several that start at once, one wins

    Scenario: Two nodes start the same new container at the same moment
      When the operators of "node1" and "node2" type at once
        """
        docker run -d --init --name writer --volume-driver flocker -v ledger:/data busybox sleep 1000
        """
      Then one of them succeeds, and the other is told which node has the volume "ledger"

    @three_nodes
    Scenario: Two nodes want a volume of a third at the same moment
      Given the operator has typed on "node3"
        """
        docker run --rm --volume-driver flocker -v ledger:/data busybox sh -c "echo one > /data/log"
        """
      When the operators of "node1" and "node2" type at once
        """
        docker run -d --init --name writer --volume-driver flocker -v ledger:/data busybox sleep 1000
        """
      Then one of them succeeds, and the other is told which node has the volume "ledger"

  Rule: A node that was replaced while it was paused never writes again

    @fault @slow @pause @three_nodes
    Scenario: A node that was paused comes to, and finds that another has taken over
      Given the operator has typed on "node1"
        """
        docker volume create -d flocker -o failover=auto ledger
        """
      And a container on "node1" keeps writing to the volume "ledger"
      And all nodes hold what the container on "node1" has written to the volume "ledger"
      When "node1" is paused
      Then another node owns the volume "ledger" within 30 seconds
      When the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v ledger:/data busybox sh -c "echo taken over >> /data/log"
        """
      And "node1" goes on
      Then the container on "node1" is stopped
      And "node2" owns the volume "ledger"
      When the operator types on "node1"
        """
        docker run --rm --volume-driver flocker -v ledger:/data busybox tail -n 1 /data/log
        """
      Then it prints "taken over"

  Rule: A node is a machine, not a name

    @fault @slow @three_nodes
    Scenario: A second machine of a node's name does not join, and stops what uses volumes
      Given a container on "node3" keeps writing to the volume "ledger"
      When the driver on "node3" takes itself for "node1"
      Then the container on "node3" is stopped
      When the operator types on "node3"
        """
        docker run --rm --volume-driver flocker -v ledger:/data busybox tail -n 1 /data/log
        """
      Then it is refused with "the name belongs to another machine"
      And the refusal says "If the other machine is gone for good"
      When the operator types on "node3"
        """
        sudo flocker status
        """
      Then it says "is not node1"
