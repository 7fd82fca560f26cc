@critical @allure.epic:The_promises
Feature: A volume is in use as long as a container uses it, and not longer

  Engines and drivers are restarted, killed and upgraded while containers run. What each of them
  remembers about the use of a volume must be true afterwards. A volume that is released too early
  would get a second writer; one that is never released could not move again.

  Rule: A volume that is in use stays where it is

    @behaviour.11
    Scenario: Copying a file out of a running container does not end its use
      Given a container on "node1" keeps writing to the volume "notes"
      When the operator copies a file out of the container on "node1"
      Then it succeeds
      And "node2" is refused the volume "notes" because the container on "node1" uses it
      And the container on "node1" still writes

    @behaviour.10
    Scenario: Of two containers on a node, the first that stops does not end the other's use
      Given a container on "node1" keeps writing to the volume "notes"
      When "node1" reads the volume "notes"
      Then it succeeds
      And "node2" is refused the volume "notes" because the container on "node1" uses it

    @fault
    Scenario Outline: A driver that <ends> with containers running still knows of them
      Given a container on "node1" keeps writing to the volume "notes"
      When the driver on "node1" <ends>
      Then the container on "node1" still writes
      And "node2" is refused the volume "notes" because the container on "node1" uses it
      And the volume "notes" can move to "node2" when the container on "node1" has stopped

      @behaviour.24
      Examples: The driver's death
        | ends      |
        | is killed |

      @behaviour.30
      Examples: An upgrade
        | ends                       |
        | is replaced by a newer one |

    @fault @behaviour.23
    Scenario: Containers that outlive their engine keep their volume
      Given the engine of "node1" lets containers run without it
      And a container on "node1" keeps writing to the volume "notes"
      When the engine of "node1" is restarted
      Then the container on "node1" still writes
      And "node2" is refused the volume "notes" because the container on "node1" uses it
      And the volume "notes" can move to "node2" when the container on "node1" has stopped

  Rule: A volume that nothing uses can move

    @fault @behaviour.22
    Scenario: An engine that was killed leaves no use behind
      Given a container on "node1" keeps writing to the volume "notes"
      When the engine of "node1" is killed
      Then the container on "node1" is stopped
      And the volume "notes" can move to "node2"

    @fault @slow
    Scenario Outline: A use ends although its unmount never reaches the driver
      Given a container on "node1" keeps writing to the volume "notes"
      When the container on "node1" stops while its driver is down
      Then it succeeds
      And the volume "notes" can move to "node2" within <at most> seconds

      Examples:
        | at most |
        | 60      |

    @slow
    Scenario: The app is taken down with its volume 0 to 12 seconds after a start
      Given each node has an app of its own, with a volume that is there before
      When the operators of all nodes start their apps and take them down, again and again
      Then all of them succeed
      And there is no volume on any node
      And no engine had to ask its driver twice

    @behaviour.12
    Scenario: A container that cannot start leaves no use behind
      When a container on "node1" with the volume "notes" has no program to start
      Then it is refused because there is no such program
      And the volume "notes" can move to "node2"

    @three_nodes @behaviour.12
    Scenario: A mount that was refused leaves no use behind
      Given a container on "node1" keeps writing to the volume "notes"
      And "node2" is refused the volume "notes" because the container on "node1" uses it
      When the operator stops the container on "node1"
      Then the volume "notes" can move to "node2"
      And the volume "notes" can move to "node3"
