@normal @allure.epic:What_an_operator_can_do
Feature: A volume can be restored to an earlier state

  Rule: A snapshot is kept, whatever happens to the volume later

    @behaviour.28
    Scenario: A restored volume says on every node what it said at the snapshot
      Given "node1" has written "good" to the volume "wiki"
      And "node1" has snapshotted the volume "wiki" as "before the upgrade"
      And "node1" has written "bad" to the volume "wiki"
      When "node1" restores the volume "wiki" to "before the upgrade"
      Then "node2" reads "good" in the volume "wiki"

    Scenario: A restore keeps what the volume said until then
      Given "node1" has written "good" to the volume "wiki"
      And "node1" has snapshotted the volume "wiki" as "before the upgrade"
      And "node1" has written "bad" to the volume "wiki"
      And "node1" has restored the volume "wiki" to "before the upgrade"
      When "node2" clones the volume "wiki" at "before the restore" as "wiki-as-it-was"
      Then "node2" reads "bad" in the volume "wiki-as-it-was"
      And the volume "wiki" still says "good"

    Scenario: Every node lists a snapshot with its label
      Given "node1" has written "good" to the volume "wiki"
      When "node1" snapshots the volume "wiki" as "before the upgrade"
      Then "node2" lists the snapshots of the volume "wiki"
        | LABEL              |
        | before the upgrade |

    Scenario: A snapshot is kept until it is pruned
      Given "node1" has written "good" to the volume "wiki"
      And "node1" has snapshotted the volume "wiki" as "before the upgrade"
      When "node2" prunes the snapshot "before the upgrade" of the volume "wiki"
      Then it succeeds
      And "node1" lists no snapshot of the volume "wiki"
      And the volume "wiki" still says "good"

    @behaviour.28
    Scenario: A new volume begins as a snapshot of another
      Given "node1" has written "real" to the volume "shop"
      And "node1" has snapshotted the volume "shop" as "today"
      And "node1" has written "later" to the volume "shop"
      When "node1" clones the volume "shop" at "today" as "shop-staging"
      Then "node2" reads "real" in the volume "shop-staging"

    Scenario: A volume stays as it is when its clone changes
      Given "node1" has written "real" to the volume "shop"
      And "node1" has snapshotted the volume "shop" as "today"
      And "node1" has cloned the volume "shop" at "today" as "shop-staging"
      When "node2" writes "test" to the volume "shop-staging"
      Then the volume "shop-staging" says "test"
      And "node1" reads "real" in the volume "shop"

    Scenario: A volume in use is not restored under its container
      Given a container on "node1" keeps writing to the volume "wiki"
      And "node1" has snapshotted the volume "wiki" as "before the upgrade"
      When "node1" restores the volume "wiki" to "before the upgrade"
      Then it is refused because the container on "node1" uses it
      And the container on "node1" still writes

  Rule: Volumes that belong together are frozen at one instant

    Scenario: An order is never without its payment in a pair of snapshots
      Given a shop on "node1" writes each order, and then its payment, as fast as it can
      When "node1" snapshots the volumes "orders" and "payments" at one instant
      Then at that instant, "node1" reads a payment for each order but the last

  Rule: A removed volume can be restored

    Scenario: A volume that was removed is listed
      Given "node1" has written "precious" to the volume "wiki"
      When "node1" removes the volume "wiki"
      Then "node2" lists what was removed
        | REMOVED |
        | wiki    |

    Scenario: A volume that was removed comes back with its data
      Given "node1" has written "precious" to the volume "wiki"
      And "node1" has removed the volume "wiki"
      When "node2" undeletes the volume "wiki"
      Then it succeeds
      And "node2" reads "precious" in the volume "wiki"
