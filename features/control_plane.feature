@critical @fault @three_nodes @allure.epic:The_promises
Feature: Containers keep running without the control plane

  The nodes agree in etcd who may write. While etcd is away, containers keep writing, and each node
  answers questions from what it knows. Whatever needs a new decision is refused. Containers on
  volumes with failover=auto are the exception: they are stopped after ten seconds, because another
  node could take these volumes over.

  Rule: Containers keep running, and calls that need a decision are refused with the reason

    @slow @behaviour.27
    Scenario: Containers keep writing and Docker answers while two of three nodes have no etcd
      Given "node1" has created the volume "ticks" with
        | label      |
        | team=sales |
      And a container on "node1" keeps writing to the volume "ticks"
      When etcd stops on "node2" and "node3"
      Then "node1" notices that etcd has no majority
      And the container on "node1" still writes
      And Docker answers in less than 1 second
        | node  | question                   | answer |
        | node1 | which containers run       | writer |
        | node2 | which volumes there are    | ticks  |
        | node1 | what the volume "ticks" is | sales  |
      And "node2" is refused the volume "ticks" because etcd has no majority
      And the container on "node1" still writes

    @slow
    Scenario: A volume can move again when etcd is back
      Given a container on "node1" keeps writing to the volume "ticks"
      And etcd has stopped on "node2" and "node3"
      And "node1" has noticed that etcd has no majority
      When etcd is back on all nodes
      Then "node2" is refused the volume "ticks" because the container on "node1" uses it
      And the volume "ticks" can move to "node2" when the container on "node1" has stopped

  Rule: A volume that cannot be looked up does not count as missing

    Scenario: An engine that starts while etcd is away forgets no volume and no label
      Given "node1" has created the volume "ticks" with
        | label      |
        | team=sales |
      And etcd has stopped on all nodes
      When the engine of "node1" is restarted
      Then Docker answers in less than 1 second
        | node  | question                   | answer |
        | node1 | what the volume "ticks" is | sales  |

    Scenario: An engine that has started while etcd was away has its volumes when etcd is back
      Given "node1" has created the volume "ticks" with
        | label      |
        | team=sales |
      And etcd has stopped on all nodes
      And the engine of "node1" has been restarted
      When etcd is back on all nodes
      Then Docker answers
        | node  | question                   | answer |
        | node1 | what the volume "ticks" is | sales  |
      And "node1" can write "here" to the volume "ticks"

  Rule: A control plane that is slow for some seconds causes no refusal

    Scenario Outline: A container starts although etcd is held up for <hold-up> seconds
      Given etcd is held up for <hold-up> seconds on all nodes
      When "node1" writes "here" to the volume "patience"
      Then it succeeds
      And "node2" reads "here" in the volume "patience"

      Examples:
        | hold-up |
        | 8       |
