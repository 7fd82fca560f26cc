@slow @normal @allure.epic:The_promises
Feature: Three hundred idle volumes slow no node down

  Rule: Lists and starts stay fast with three hundred idle volumes

    @three_nodes
    Scenario: Lists are fast, engines start as before, and idle drivers are idle
      Given a start of the engine of "node1" has been timed, without volumes
      And all nodes have created and removed 100 volumes each
      When all nodes create 100 volumes each
      Then all of them succeed
      And Docker on "node1" counts 300 volumes in less than 1 second
      And the driver on "node1" lists its volumes in less than 100 milliseconds
      And the driver on "node1" comes to rest below 2 % of a core and 120 MB
      And the engine of "node1" starts at most 2 seconds slower than without volumes

  Rule: Many containers can start at once

    Scenario: Fifty containers with a volume each start on one node, and then on another
      When 50 containers on "node1" write to a volume each at once
      Then it succeeds
      And 50 containers on "node2" read what was written at once
