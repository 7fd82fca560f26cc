@critical @fault @slow @three_nodes @allure.epic:The_promises
Feature: A volume outlives the node that has it

  When a node is lost, another node takes over its volumes from a copy: when a person says so, or
  automatically if they were created with failover=auto. A person, or Docker Swarm, starts the
  containers there. After a takeover, a node that comes back does not get its volumes back.

  Each node has a fence. This process stops the containers on volumes with failover=auto when its
  node can no longer reach the others, before another node takes these volumes over.

  Rule: With failover=auto another node takes a volume over automatically

    @browser @blocker @power @behaviour.18
    Scenario Outline: The app starts on another node soon after its node's death
      Given "node1" has created the volume "demo" with
        | failover |
        | auto     |
      And moby-counter runs on "node1"
      And a visitor has placed 3 whales on "node1"
      And all nodes hold all of the volume "demo"
      When "node1" loses its power
      Then another node owns the volume "demo" within <takeover> seconds
      And moby-counter starts on "node2"
      And the visitor finds the same whales on "node2"
      And "node2" owns the volume "demo"
      When "node1" has its power back
      Then moby-counter cannot start on "node1" while redis on "node2" uses the volume "demo"
      And the visitor finds the same whales on "node2"

      Examples:
        | takeover |
        | 30       |

    @behaviour.20
    Scenario Outline: A node that was cut off stops its containers before another takes over
      Given "node1" has created the volume "ledger" with
        | failover |
        | auto     |
      And a container on "node1" keeps writing to the volume "ledger"
      And all nodes hold what the container on "node1" has written to the volume "ledger"
      When "node1" is cut off from the others
      Then another node owns the volume "ledger" within <takeover> seconds
      And the container on "node1" had stopped before the volume "ledger" was taken over

      Examples:
        | takeover |
        | 30       |

    Scenario: A node whose fence does not run starts no container on such a volume
      Given "node1" has created the volume "ledger" with
        | failover |
        | auto     |
      And the fence of "node1" has stopped
      When "node1" writes "hello" to the volume "ledger"
      Then it is refused because the fence of "node1" does not watch
      And "node1" reports "so no volume with failover=auto is mounted here"

    Scenario: A node starts containers on such a volume again when its fence runs
      Given "node1" has created the volume "ledger" with
        | failover |
        | auto     |
      And the fence of "node1" has stopped
      And "node1" is refused the volume "ledger" because the fence of "node1" does not watch
      When the fence of "node1" runs again
      Then "node1" can write "hello" to the volume "ledger"

    Scenario Outline: A node whose pool cannot be written to gives the volume up, and says why
      Given "node1" has created the volume "ledger" with
        | failover |
        | auto     |
      And "node1" has written "hello" to the volume "ledger"
      And all nodes hold all of the volume "ledger"
      When the pool of "node1" becomes read-only
      Then another node owns the volume "ledger" within <takeover> seconds
      And "node1" reports "the pool cannot be written to"
      And "node2" reads "hello" in the volume "ledger"

      Examples:
        | takeover |
        | 60       |

    @failing_disk
    Scenario Outline: A node whose disk fails under a container gives the volume up -- <disk>
      Given the disk of "node1" can fail
      And "node1" has created the volume "ledger" with
        | failover |
        | auto     |
      And a container on "node1" keeps <writing> the volume "ledger"
      And all nodes hold what the container on "node1" has written to the volume "ledger"
      When the disk of "node1" <disk>
      Then another node owns the volume "ledger" within <takeover> seconds
      And "node1" reports "<problem>"
      And "node2" can write "hello" to the volume "ledger"

      Examples:
        | writing                   | disk                       | problem                           | takeover |
        | writing to                | answers writes with errors | the pool cannot be written to     | 60       |
        | writing to                | does not answer writes     | a write to the pool has not ended | 90       |
        | syncing what it writes to | does not answer writes     | a write to the pool has not ended | 120      |

    @power
    Scenario Outline: The next node takes over when the first one cannot
      Given "node1" has created the volume "ledger" with
        | failover |
        | auto     |
      And "node1" has written "hello" to the volume "ledger"
      And all nodes hold all of the volume "ledger"
      And the pool of "node3" has become read-only
      When "node1" loses its power
      Then another node owns the volume "ledger" within <takeover> seconds
      And "node2" owns the volume "ledger"
      And "node2" reads "hello" in the volume "ledger"

      Examples:
        | takeover |
        | 45       |

  Rule: Without failover=auto a person decides, and is told how old the copies are

    @behaviour.18
    Scenario: A refusal says what the copies lack, and how to continue from one
      Given a container on "node1" keeps writing to the volume "ledger"
      And all nodes hold what the container on "node1" has written to the volume "ledger"
      And "node1" has been cut off from the others
      And "node2" has noticed that "node1" is away
      When "node2" reads the volume "ledger"
      Then it is refused because nobody answers for "node1", which owns it
      And the container on "node1" still writes

    @behaviour.18
    Scenario: A volume that was promoted has all that had been copied
      Given a container on "node1" keeps writing to the volume "ledger"
      And all nodes hold what the container on "node1" has written to the volume "ledger"
      And "node1" has been cut off from the others
      And "node2" has noticed that "node1" is away
      When "node2" promotes the volume "ledger"
      Then it says from which time on writes of "node1" are missing
      And "node2" reads all that had been copied of the volume "ledger"

    @behaviour.19
    Scenario: Writes of an owner that was cut off are put aside, not lost
      Given a container on "node1" keeps writing to the volume "ledger"
      And all nodes hold what the container on "node1" has written to the volume "ledger"
      And "node1" has been cut off from the others
      And "node2" has noticed that "node1" is away
      And "node2" has promoted the volume "ledger"
      And "node2" has read the volume "ledger"
      When "node1" is connected again
      Then the container on "node1" is stopped
      And "node2" owns the volume "ledger"
      And "node2" can clone what only "node1" had of the volume "ledger", as "ledger-of-node1"
      And "node2" reads all that the container on "node1" has written to the volume "ledger-of-node1"

    Scenario: A person chooses the node that continues
      Given a container on "node1" keeps writing to the volume "ledger"
      And all nodes hold what the container on "node1" has written to the volume "ledger"
      And "node1" has been cut off from the others
      And "node3" has noticed that "node1" is away
      When "node3" promotes its copy of the volume "ledger"
      Then it says from which time on writes of "node1" are missing
      And "node3" owns the volume "ledger"
      And "node3" reads all that had been copied of the volume "ledger"

    @power
    Scenario: A node that comes back before anyone promoted has all writes
      Given a container on "node1" keeps writing to the volume "ledger"
      And all nodes hold what the container on "node1" has written to the volume "ledger"
      And "node1" has lost its power
      And "node2" has noticed that "node1" is away
      And "node2" is refused the volume "ledger" because nobody answers for "node1", which owns it
      When "node1" has its power back
      Then "node2" reads all that had been copied of the volume "ledger"
      And "node2" owns the volume "ledger"

    @power
    Scenario: A node that dies right after a volume came to it takes nothing with it
      Given "node1" has written "hello" to the volume "ledger"
      And all nodes hold all of the volume "ledger"
      And "node1" has written "goodbye" to the volume "ledger"
      And "node1" has moved the volume "ledger" to "node3"
      And "node3" has lost its power
      And "node1" has noticed that "node3" is away
      When "node1" promotes the volume "ledger"
      Then it succeeds
      And "node1" reads "goodbye" in the volume "ledger"
      When "node3" has its power back
      Then "node3" reads "goodbye" in the volume "ledger"
      And "node3" owns the volume "ledger"

    Scenario: A node that comes back with an empty disk continues from a copy of another
      Given "node1" has written "hello" to the volume "ledger"
      And all nodes hold all of the volume "ledger"
      And the disk of "node1" has been replaced by an empty one
      And "node2" is refused the volume "ledger" because the disk of "node1" lost it
      When "node1" promotes the volume "ledger"
      Then it succeeds
      And "node2" reads "hello" in the volume "ledger"
      And "node2" owns the volume "ledger"
