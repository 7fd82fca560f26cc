@critical @fault @slow @three_nodes @allure.epic:The_promises
Feature: A volume outlives the node that has it

  When a node is lost, its volumes go on from a copy on another one: when a person says so, or by
  themselves where they were made with failover=auto. The node that comes back does not win.

  Rule: With failover=auto nobody has to be called

    @browser @blocker @power
    Scenario: The app goes on elsewhere within half a minute of its node's death
      Given the operator has typed on "node1"
        """
        docker volume create -d flocker -o failover=auto demo
        """
      And moby-counter runs on "node1"
      When a visitor opens the app on "node1"
      And the visitor clicks at these points
        | x   | y   |
        | 200 | 140 |
        | 420 | 310 |
        | 930 | 420 |
      And all nodes hold all of the volume "demo"
      And "node1" loses its power
      Then another node owns the volume "demo" within 30 seconds
      When the operator starts moby-counter on "node2"
      And the visitor opens the app on "node2"
      Then the visitor sees the same whales in the same places on "node2"
      And "node2" owns the volume "demo"
      When "node1" has its power back
      And the operator types on "node1"
        """
        cd /vagrant/app && docker-compose up -d
        """
      Then it is refused because redis on "node2" uses the volume "demo"
      And the visitor sees the same whales in the same places on "node2"

    Scenario: A node that was cut off stops its containers before another takes over
      Given the operator has typed on "node1"
        """
        docker volume create -d flocker -o failover=auto ledger
        """
      And a container on "node1" keeps writing to the volume "ledger"
      And all nodes hold what the container on "node1" has written to the volume "ledger"
      When "node1" is cut off from the others
      Then another node owns the volume "ledger" within 30 seconds
      And the container on "node1" had stopped before the volume "ledger" was taken over

    Scenario: A node that could not stop its containers in time does not start them
      Given the operator has typed on "node1"
        """
        docker volume create -d flocker -o failover=auto ledger
        """
      When the fence of "node1" stops
      And the operator types on "node1"
        """
        docker run --rm -v ledger:/data busybox touch /data/log
        """
      Then it is refused with "flocker-fence on node1, which has to stop its containers in time"
      And the refusal says "systemctl status flocker-fence"
      When the operator types on "node1"
        """
        sudo flocker status
        """
      Then it says "so no volume with failover=auto is mounted here"
      When the fence of "node1" runs again
      And the operator types on "node1"
        """
        docker run --rm -v ledger:/data busybox touch /data/log
        """
      Then it succeeds

    Scenario: A node whose pool cannot be written to gives the volume up
      Given the operator has typed on "node1"
        """
        docker volume create -d flocker -o failover=auto ledger
        """
      And the operator has typed on "node1"
        """
        docker run --rm --volume-driver flocker -v ledger:/data busybox sh -c 'echo hello >/data/log'
        """
      And all nodes hold all of the volume "ledger"
      When the pool of "node1" becomes read-only
      Then another node owns the volume "ledger" within 60 seconds
      When the operator types on "node1"
        """
        sudo flocker status
        """
      Then it says "the pool cannot be written to"
      When the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v ledger:/data busybox cat /data/log
        """
      Then it prints "hello"

    @power
    Scenario: The next node takes over when the first one cannot
      Given the operator has typed on "node1"
        """
        docker volume create -d flocker -o failover=auto ledger
        """
      And the operator has typed on "node1"
        """
        docker run --rm --volume-driver flocker -v ledger:/data busybox sh -c 'echo hello >/data/log'
        """
      And all nodes hold all of the volume "ledger"
      When the pool of "node3" becomes read-only
      And "node1" loses its power
      Then another node owns the volume "ledger" within 45 seconds
      And "node2" owns the volume "ledger"

  Rule: Otherwise a person decides, knowing what it costs

    Scenario: Writes of an owner that was cut off are put aside, not lost
      Given a container on "node1" keeps writing to the volume "ledger"
      And all nodes hold what the container on "node1" has written to the volume "ledger"
      When "node1" is cut off from the others
      And "node2" has noticed that "node1" is away
      And the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v ledger:/data busybox wc -l /data/log
        """
      Then it is refused with "volume 'ledger' is owned by node1, which is away since"
      And the refusal says "complete up to"
      And the refusal says "flocker promote ledger"
      And the container on "node1" still writes
      When the operator types on "node2"
        """
        sudo flocker promote ledger
        """
      Then it says "What node1 wrote after"
      When the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v ledger:/data busybox cat /data/log
        """
      Then it prints every line that had been copied
      When "node1" is connected again
      Then the container on "node1" is stopped
      And "node2" owns the volume "ledger"
      When the operator types on "node2"
        """
        sudo flocker conflicts
        """
      And the operator notes the state of "ledger" it names as LOST
      And the operator types on "node2"
        """
        docker volume create -d flocker -o from=LOST ledger-of-node1
        """
      Then it succeeds
      When the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v ledger-of-node1:/data busybox cat /data/log
        """
      Then it prints every line the container on "node1" has written

    Scenario: A person chooses the node that goes on
      Given a container on "node1" keeps writing to the volume "ledger"
      And all nodes hold what the container on "node1" has written to the volume "ledger"
      When "node1" is cut off from the others
      And "node3" has noticed that "node1" is away
      And the operator types on "node3"
        """
        sudo flocker promote --here ledger
        """
      Then it says "What node1 wrote after"
      And "node3" owns the volume "ledger"
      When the operator types on "node3"
        """
        docker run --rm --volume-driver flocker -v ledger:/data busybox cat /data/log
        """
      Then it prints every line that had been copied

    @power
    Scenario: A node that comes back before anyone promoted has everything
      Given a container on "node1" keeps writing to the volume "ledger"
      And all nodes hold what the container on "node1" has written to the volume "ledger"
      When "node1" loses its power
      And "node2" has noticed that "node1" is away
      And the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v ledger:/data busybox wc -l /data/log
        """
      Then it is refused with "flocker promote ledger"
      When "node1" has its power back
      And the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v ledger:/data busybox cat /data/log
        """
      Then it prints every line that had been copied
      And "node2" owns the volume "ledger"

    @power
    Scenario: A node that dies right after a volume came to it takes nothing with it
      Given the operator has typed on "node1"
        """
        docker run --rm --volume-driver flocker -v ledger:/data busybox sh -c 'echo hello >/data/log'
        """
      And all nodes hold all of the volume "ledger"
      When the operator types on "node1"
        """
        docker run --rm --volume-driver flocker -v ledger:/data busybox sh -c 'echo goodbye >>/data/log'
        sudo flocker move ledger --to node3
        """
      Then it succeeds
      When "node3" loses its power
      And "node1" has noticed that "node3" is away
      And the operator types on "node1"
        """
        sudo flocker promote ledger
        """
      Then it succeeds
      When the operator types on "node1"
        """
        docker run --rm --volume-driver flocker -v ledger:/data busybox tail -n 1 /data/log
        """
      Then it prints "goodbye"
      When "node3" has its power back
      And the operator types on "node3"
        """
        docker run --rm --volume-driver flocker -v ledger:/data busybox tail -n 1 /data/log
        """
      Then it prints "goodbye"
      And "node3" owns the volume "ledger"

    Scenario: A node that comes back with an empty disk goes on from a copy of another
      Given the operator has typed on "node1"
        """
        docker run --rm --volume-driver flocker -v ledger:/data busybox sh -c 'echo hello >/data/log'
        """
      And all nodes hold all of the volume "ledger"
      When the disk of "node1" is replaced by an empty one
      And the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v ledger:/data busybox cat /data/log
        """
      Then it is refused with "type `flocker promote ledger` on node1"
      When the operator types on "node1"
        """
        sudo flocker promote ledger
        """
      Then it succeeds
      When the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v ledger:/data busybox cat /data/log
        """
      Then it prints "hello"
      And "node2" owns the volume "ledger"
