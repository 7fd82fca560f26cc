@critical @allure.epic:The_story
Feature: The app also moves with its data in Postgres

  The driver moves files and knows no database. With docker-compose.postgres.yml the same page keeps its
  whales in Postgres, in another volume.

  Rule: A planned move needs only Compose commands, and loses nothing

    @readme @browser @behaviour.31
    Scenario: A visitor finds the same whales after the app has moved with its Postgres
      When the operator types on "node1"
        """
        cd /vagrant/app && docker-compose -f docker-compose.postgres.yml up -d
        """
      Then it succeeds
      When a visitor opens the app on "node1"
      Then the page is empty and says to click
      When the visitor places 5 whales
      Then the visitor sees a whale at each point on "node1"
      When the operator stops the app on "node1", to start it on "node2", with
        """
        cd /vagrant/app && docker-compose -f docker-compose.postgres.yml stop
        """
      And the operator types on "node2"
        """
        cd /vagrant/app && docker-compose -f docker-compose.postgres.yml up -d
        """
      Then it succeeds
      And the app shows its data on "node2" within 5 seconds
      When the visitor opens the app on "node2"
      Then the visitor sees the same whales in the same places on "node2"
      And the page says that "node2" serves it
      And "node2" runs web and postgres
      And "node1" runs neither
      And "node2" owns the volume "demo-postgres"

  Rule: A whale that the app has acknowledged survives the sudden end of its node

    @browser @fault @slow
    Scenario: The app finds all whales on another node after its own node lost its power
      Given moby-counter runs with Postgres on "node1"
      And a visitor has placed 3 whales on "node1"
      When "node1" loses its power, and has it back
      Then moby-counter starts with Postgres on "node2"
      And the visitor finds the same whales on "node2"
      And "node2" owns the volume "demo-postgres"

  Rule: Redis and Postgres each keep their own whales

    @browser
    Scenario: The app changes over to Postgres, on one node
      Given moby-counter runs on "node1"
      And a visitor has placed 1 whale on "node1"
      When the operator changes moby-counter over to Postgres on "node1"
      Then it succeeds
      And "node1" runs web and postgres
      And the visitor finds an empty page on "node1"

    @browser
    Scenario: The app changes back from Postgres, on one node
      Given moby-counter runs on "node1"
      And a visitor has placed 1 whale on "node1"
      And the operator has changed moby-counter over to Postgres on "node1"
      When the operator changes moby-counter back to Redis on "node1"
      Then it succeeds
      And "node1" runs web and redis
      And the visitor finds the same whales on "node1"
