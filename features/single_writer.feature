@blocker @allure.epic:The_promises
Feature: One node at a time writes to a volume

  Two writers would ruin the data without anyone noticing. So a mount is refused while another
  node uses the volume, and the answer says what to do. A node that was paused as a whole may write
  to its old copy for some seconds after it resumes; those writes are put aside.

  Rule: A volume in use elsewhere is refused

    @behaviour.17
    Scenario: The answer names the node and the container
      Given a container on "node1" keeps writing to the volume "ledger"
      When "node2" reads the volume "ledger"
      Then it is refused because the container on "node1" uses it
      And the container on "node1" still writes

    Scenario: Another node gets the volume when the container has stopped
      Given a container on "node1" keeps writing to the volume "ledger"
      And "node2" is refused the volume "ledger" because the container on "node1" uses it
      When the operator stops the container on "node1"
      Then "node2" reads all that the container on "node1" has written to the volume "ledger"
      And "node2" owns the volume "ledger"

  Rule: Of several containers that start at once, one gets the volume

    Scenario: Two nodes start the same new container at the same moment
      When "node1" and "node2" start a container with the volume "ledger" at once
      Then one of them succeeds, and the other is told which node has the volume "ledger"

    @three_nodes
    Scenario: Two nodes want a volume of a third at the same moment
      Given "node3" has written "one" to the volume "ledger"
      When "node1" and "node2" start a container with the volume "ledger" at once
      Then one of them succeeds, and the other is told which node has the volume "ledger"
      And the volume "ledger" still says "one"

  Rule: A node that was replaced while it was paused cannot change the new owner's data

    @fault @slow @pause @three_nodes @behaviour.19
    Scenario Outline: The container of a paused node is stopped when the node resumes after a takeover
      Given "node1" has created the volume "ledger" with
        | failover |
        | auto     |
      And a container on "node1" keeps writing to the volume "ledger"
      And all nodes hold what the container on "node1" has written to the volume "ledger"
      And "node1" has been paused
      And another node owns the volume "ledger" within <takeover> seconds
      And "node2" has added "taken over" to the volume "ledger"
      When "node1" resumes
      Then the container on "node1" is stopped
      And "node2" owns the volume "ledger"
      And "node1" reads "taken over" last in the volume "ledger"

      Examples:
        | takeover |
        | 30       |

  Rule: A node's name belongs to one machine

    @fault @slow @three_nodes
    Scenario: A second machine with a node's name does not join, and stops its containers with volumes
      Given a container on "node3" keeps writing to the volume "ledger"
      When the driver on "node3" starts under the name "node1"
      Then the container on "node3" is stopped
      And "node3" is refused the volume "ledger" because another machine has the name "node1"
      And "node3" reports "is not node1"
