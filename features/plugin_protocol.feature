@normal @allure.epic:The_promises
Feature: The driver answers its engine correctly, whatever the engine asks

  An engine repeats a question when the answer got lost, asks in any order after a crash, and
  passes on names as people typed them. Contract tests ask a driver every call of the protocol.

  Rule: A repeated request changes nothing

    @behaviour.2
    Scenario Outline: A volume that exists already is not replaced by <node>
      Given "node1" has created the volume "notes"
      And "node1" has written "kept" to the volume "notes"
      When "<node>" creates the volume "notes"
      Then it succeeds
      And "<node>" reads "kept" in the volume "notes"

      Examples:
        | node  |
        | node1 |
        | node2 |

    @behaviour.6
    Scenario: Two nodes that make the same volume at once make one
      When "node1" and "node2" create the volume "notes" at once
      Then all of them succeed
      And all nodes name the same owner of the volume "notes"

  Rule: A missing volume is reported as missing

    Scenario: A volume nobody made is asked for
      When "node1" is asked what the volume "never-there" is
      Then it is refused because nobody made the volume "never-there"
