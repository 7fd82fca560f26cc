@normal @allure.epic:What_an_operator_can_do
Feature: An operator types commands and reads the answers

  Rule: Every node can list nodes, volumes and copies

    @behaviour.7
    Scenario: Nodes, volumes, owners and copies are listed
      Given a container on "node1" keeps writing to the volume "ledger"
      And all nodes hold what the container on "node1" has written to the volume "ledger"
      When the operator types on "node2"
        """
        sudo flocker status
        """
      Then it says "node1"
      And it says "node2"
      And it says "mounted on node1"

    Scenario: The history says who did what, when and why
      Given "node1" has created the volume "ledger"
      And "node1" has moved the volume "ledger" to "node2"
      When the operator types on "node2"
        """
        sudo flocker history ledger
        """
      Then it lists last of all
        | NODE  | VOLUME | WHAT    | BY                |
        | node1 | ledger | created | engine on node1   |
        | node2 | ledger | moved   | operator on node1 |

    Scenario Outline: A program can read the output of <command>
      Given "node1" has created the volume "ledger"
      When the operator types on "node1"
        """
        sudo flocker <command> --json
        """
      Then it prints JSON

      Examples:
        | command                  |
        | status                   |
        | conflicts                |
        | trash                    |
        | snapshots                |
        | history                  |
        | snapshot ledger          |
        | move ledger --to node2   |
        | clone ledger ledger-copy |
        | resize ledger 64MiB      |

  Rule: A volume can be moved ahead of time

    Scenario: A move shows how far it is
      Given "node1" has created the volume "films" with
        | replicas |
        | 0        |
      And "node1" has filled the volume "films" with 600 MB
      When the operator types at a terminal of "node1"
        """
        sudo flocker move films --to node2
        """
      Then it shows its progress
      And "node2" owns the volume "films"

    Scenario: The container that follows a move need not wait
      Given "node1" has created the volume "films" with
        | replicas |
        | 0        |
      And "node1" has written "hello" to the volume "films"
      And "node1" has filled the volume "films" with 100 MB
      And "node1" has moved the volume "films" to "node2"
      And "node2" has begun to count what it receives
      When "node2" reads the volume "films"
      Then it reads "hello"
      And it has received at most 5 MB

    Scenario: A move can be ended at any node, and the volume is used where it was
      Given "node1" has created the volume "films" with
        | replicas |
        | 0        |
      And "node1" has written "hello" to the volume "films"
      And "node1" has filled the volume "films" with 900 MB
      And "node2" has begun to copy the volume "films"
      When the operator types on "node3"
        """
        sudo flocker move --cancel films
        """
      Then it prints "The move of films to node2 is cancelled; it is on node1."
      And "node1" reads "hello" in the volume "films"
      And "node1" owns the volume "films"

    Scenario: A volume in use is not moved
      Given a container on "node1" keeps writing to the volume "ledger"
      When the operator types on "node2"
        """
        sudo flocker move ledger
        """
      Then it is refused with "volume 'ledger' is in use by container 'writer' on node1"
      And it ends with exit status 1

  Rule: The exit status tells a refusal from a typing error

    Scenario Outline: <command> is refused
      Given "node1" has created the volume "ledger"
      When the operator types on "node2"
        """
        sudo flocker <command>
        """
      Then it is refused with "<reason>"
      And it ends with exit status 1

      Examples:
        | command              | reason                                        |
        | move nothing         | no volume 'nothing'                           |
        | move --cancel ledger | is not on its way anywhere                    |
        | promote ledger       | is owned by node1, which is up                |
        | restore ledger@999   | node1 has no snapshot 999 of volume 'ledger'  |
        | undelete no-ledger   | no removed volume 'no-ledger' is kept         |

    Scenario Outline: <command> makes no sense
      When the operator types on "node1"
        """
        sudo flocker <command>
        """
      Then it ends with exit status 2

      Examples:
        | command                |
        | moove ledger           |
        | move                   |
        | resize ledger lots     |
        | status --jason         |
        | move ledger --to node9 |

    Scenario: Only root may ask
      When the operator types on "node1"
        """
        flocker status
        """
      Then it is refused with "sudo"
      And it ends with exit status 1

  Rule: Monitoring needs a certificate of the cluster

    Scenario Outline: A program with a certificate of the cluster reads <what>
      When a program of the operator asks "node1" for its <what>
      Then it is told the <what> of a node

      Examples:
        | what    |
        | health  |
        | metrics |

    Scenario: A program without a certificate reads nothing
      When a program without a certificate asks "node1" for its metrics
      Then it is turned away before it has asked

  Rule: The disk space of a removed volume can be freed at once

    Scenario: A removed volume is purged on every node
      Given "node1" has filled the volume "films" with 50 MB
      And "node2" has removed the volume "films"
      When the operator types on "node3"
        """
        sudo flocker purge films
        """
      Then it says "node1: purged films@node1-"
      And it says "freed"

    Scenario Outline: A volume that was purged stays purged: <command>
      Given "node1" has filled the volume "films" with 50 MB
      And "node2" has removed the volume "films"
      And "node3" has purged the volume "films"
      When the operator types on "node1"
        """
        sudo flocker <command>
        """
      Then it is refused with "<reason>"

      Examples:
        | command        | reason                            |
        | undelete films | no removed volume 'films' is kept |
        | purge films    | nothing is kept as 'films'        |

    Scenario Outline: A <thing> that is still there is not forgotten
      Given "node1" has created the volume "ledger"
      When the operator types on "node2"
        """
        sudo flocker forget <name>
        """
      Then it is refused with "<reason>"

      Examples:
        | thing  | name   | reason                        |
        | volume | ledger | is owned by node1, which is up |
        | node   | node1  | node1 is up                   |
