@vm @power @fault @slow @critical @allure.epic:The_promises
Feature: The power may go at any moment

  A node that loses its power loses its memory, and all that was not yet on its disk. Writes that were
  acknowledged must survive: the app acknowledges a whale when its database has it on disk. Nodes that
  are containers cannot show this: their memory is that of the machine they run on, which keeps running.

  Background:
    Given "node1" has created the volume "demo" with
      | replicas |
      | 0        |
    And moby-counter runs on "node1"

  Rule: A whale that the app has acknowledged survives a power cut

    @browser @blocker
    Scenario: The app finds all whales after its node lost its power while they were placed
      Given a script keeps placing whales on "node1"
      When "node1" loses its power, and has it back
      Then moby-counter starts on "node1"
      And the visitor finds every whale that was acknowledged on "node1"
      And all nodes say that "node1" owns the volume "demo"
      And the pool of "node1" is clean

  Rule: A move that was interrupted can be repeated, and loses nothing

    @browser
    Scenario Outline: A move from node1 to node2 can be repeated after <loser> lost its power
      Given "node1" has filled the volume "demo" with 100 MB
      And a script keeps placing whales on "node1"
      And the operator has stopped moby-counter on "node1"
      And "node2" has begun to copy the volume "demo"
      When "<loser>" loses its power, and has it back
      Then all nodes say that "node1" owns the volume "demo"
      And moby-counter starts on "node2"
      And the visitor finds every whale that was acknowledged on "node2"
      And all nodes say that "node2" owns the volume "demo"
      And the pool of "node1" is clean
      And the pool of "node2" is clean

      Examples:
        | loser |
        | node1 |
        | node2 |
