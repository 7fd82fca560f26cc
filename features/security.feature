@critical @allure.epic:The_promises
Feature: Each role can do what it needs, and nothing else

  A volume holds somebody's data. Each part of the cluster proves its role with a certificate, and may do what this role needs.
  SECURITY.md has the whole table.

  Rule: Programs without a certificate are refused before they have asked anything

    @behaviour.32
    Scenario Outline: A program without a certificate asks for <what>
      When a program without a certificate asks "node1" for its <what>
      Then it is turned away before it has asked

      Examples:
        | what                       |
        | health                     |
        | metrics                    |
        | copies that were put aside |

    @behaviour.32
    Scenario: A program without a certificate asks etcd
      When a program without a certificate asks the etcd of "node1" whether it is well
      Then it is turned away before it has asked

    Scenario: Docker's engine listens on no network
      Then no engine of a node listens on a network

  Rule: A monitor sees figures and nothing else

    Scenario: A monitor reads the health of a node
      When a monitor asks "node1" for its health
      Then it is told the health of a node

    Scenario: A monitor reads the metrics of a node
      When a monitor asks "node1" for its metrics
      Then it is told the metrics of a node

    Scenario: A monitor asks for what only operators may know
      When a monitor asks "node1" for its copies that were put aside
      Then it is refused because a monitor may not ask this

    Scenario: A monitor cannot remove a volume
      Given "node1" has written "hello" to the volume "ledger"
      When a monitor asks "node1" to remove the volume "ledger"
      Then it is refused because a monitor may not ask this
      And the volume "ledger" still says "hello"

  Rule: An operator's certificate opens everything except the content of volumes

    Scenario: An operator on another machine asks for copies that were put aside
      When a program of the operator asks "node1" for its copies that were put aside
      Then it succeeds

    Scenario: An operator on another machine asks for what a volume holds
      Given "node1" has written "hello" to the volume "ledger"
      When a program of the operator asks "node1" for the snapshots of the volume "ledger"
      Then it is refused because an operator may not ask this

  Rule: A node reads only volumes that it copies or receives

    Scenario: A node asks for a volume that stays on another node
      Given "node1" has created the volume "private" with
        | replicas |
        | 0        |
      When "node2" asks "node1" for the snapshots of the volume "private"
      Then it is refused because "node2" neither copies nor receives it

    Scenario: A node asks for a volume that it copies
      Given "node1" has written "hello" to the volume "ledger"
      When "node2" asks "node1" for the snapshots of the volume "ledger"
      Then it succeeds

  Rule: A container reaches the app and nothing of the control plane

    Scenario Outline: A container on node1 connects to <what> on <node>
      When a container on "node1" connects to <what> on "<node>"
      Then it gets no connection

      Examples:
        | node  | what              |
        | node1 | the driver        |
        | node2 | the driver        |
        | node1 | etcd for drivers  |
        | node1 | etcd for members  |

    Scenario: A container on one node opens the app on another
      Given moby-counter runs on "node1"
      When a container on "node2" opens the app on "node1"
      Then it says "Moby Counter"

  Rule: A local user of a node reads neither volumes nor keys

    @behaviour.32
    Scenario Outline: A local user wants to read <what>
      When a local user of "node1" reads <what>
      Then it is refused because only root may read this

      Examples:
        | what               |
        | the pool's file    |
        | the volumes        |
        | the driver's key   |
        | the app's password |
