@critical @allure.epic:The_story
Feature: The app moves with its data when Postgres keeps it, too

  The driver moves files and knows no database. With docker-compose.postgres.yml the same page has a
  Postgres behind it, and a volume of its own.

  Rule: A planned move takes nothing but Compose commands, and loses nothing

    @readme @browser
    Scenario: A visitor finds the same whales after the app has moved with its Postgres
      When the operator types on "node1"
        """
        cd /vagrant/app && docker-compose -f docker-compose.postgres.yml up -d
        """
      Then it succeeds
      When a visitor opens the app on "node1"
      Then the page is empty and says to click
      When the visitor clicks at these points
        | x    | y   |
        | 200  | 140 |
        | 420  | 310 |
        | 700  | 90  |
        | 930  | 420 |
        | 1100 | 200 |
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

  Rule: A whale that was acknowledged is on disk

    @browser @fault @slow
    Scenario: The power fails on a node that has just answered, and the app goes on elsewhere
      Given the operator has typed on "node1"
        """
        cd /vagrant/app && docker-compose -f docker-compose.postgres.yml up -d
        """
      When a visitor opens the app on "node1"
      And the visitor clicks at these points
        | x   | y   |
        | 200 | 140 |
        | 420 | 310 |
        | 930 | 420 |
      And "node1" loses its power
      And "node1" has its power back
      And the operator types on "node2"
        """
        cd /vagrant/app && docker-compose -f docker-compose.postgres.yml up -d
        """
      Then it succeeds
      When the visitor opens the app on "node2"
      Then the visitor sees the same whales in the same places on "node2"
      And "node2" owns the volume "demo-postgres"

  Rule: Each database keeps its own whales

    @browser
    Scenario: The app changes over to Postgres and back, on one node
      Given moby-counter runs on "node1"
      When a visitor opens the app on "node1"
      And the visitor clicks at these points
        | x   | y   |
        | 420 | 310 |
      And the operator types on "node1"
        """
        cd /vagrant/app && docker-compose -f docker-compose.postgres.yml up -d --remove-orphans
        """
      Then it succeeds
      And "node1" runs web and postgres
      When the visitor opens the app on "node1"
      Then the page is empty and says to click
      When the operator types on "node1"
        """
        cd /vagrant/app && docker-compose up -d --remove-orphans
        """
      Then it succeeds
      And "node1" runs web and redis
      When the visitor opens the app on "node1"
      Then the visitor sees the same whales in the same places on "node1"
