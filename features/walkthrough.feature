@readme @critical @allure.epic:The_story
Feature: A web app moves to another server with its data

  docs/walkthrough.md tells this story in ten steps. Each command that this page or the README shows
  is typed in a scenario in the same words, by a shell on a node or in the repository. A command that
  changes there has to change in the scenario too.

  Rule: Anybody with Vagrant can start the nodes

    @demo @vagrant
    Scenario: The nodes are started, and anyone can log in
      When the operator types in the repository
        """
        vagrant up
        """
      Then it succeeds
      When the operator types in the repository
        """
        vagrant ssh node1 -c 'docker version'
        """
      Then it succeeds
      And the engine of "node1" is Docker 1.8 or newer
      And the engine of "node1" is not an experimental build

  Rule: Data follows the container that mounts it

    @demo @behaviour.14
    Scenario: A container on another node reads the data that a container wrote
      When the operator types on "node1"
        """
        docker run --rm --volume-driver flocker -v simple:/data busybox sh -c "echo hello > /data/file.txt"
        """
      Then it succeeds
      And "node1" owns the volume "simple"
      When the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v simple:/data busybox sh -c "cat /data/file.txt"
        """
      Then it prints "hello"
      And "node2" owns the volume "simple"

    @behaviour.14
    Scenario: A log survives three moves
      Given the operator has typed on "node1"
        """
        docker run --rm --volume-driver flocker -v log:/data busybox sh -c "echo one >> /data/log"
        """
      And the operator has typed on "node2"
        """
        docker run --rm --volume-driver flocker -v log:/data busybox sh -c "echo two >> /data/log"
        """
      And the operator has typed on "node1"
        """
        docker run --rm --volume-driver flocker -v log:/data busybox sh -c "echo three >> /data/log"
        """
      When the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v log:/data busybox sh -c "wc -l < /data/log"
        """
      Then it prints "3"
      And "node2" owns the volume "log"

  Rule: A planned move needs only Compose commands, and loses nothing

    @browser @demo
    Scenario Outline: A visitor finds the same whales after the app has moved, with <compose>
      When the operator types on "node1"
        """
        cd /vagrant/app && <compose> up -d
        """
      Then it succeeds
      When a visitor opens the app on "node1"
      Then the page is empty and says to click
      And the page says that "node1" serves it
      When the visitor places 5 whales
      Then the visitor sees a whale at each point on "node1"
      And the browser reports no error on the page
      When the operator stops the app on "node1", to start it on "node2", with
        """
        cd /vagrant/app && <compose> stop
        """
      And the operator types on "node2"
        """
        cd /vagrant/app && <compose> up -d
        """
      Then it succeeds
      And the app shows its data on "node2" within 5 seconds
      When the visitor opens the app on "node2"
      Then the visitor sees the same whales in the same places on "node2"
      And the page says that "node2" serves it
      When the operator types on "node2"
        """
        docker ps
        """
      Then "node2" runs web and redis
      And "node1" runs neither
      And "node2" owns the volume "demo"

      Examples:
        | compose        |
        | docker-compose |

      @compose_plugin
      Examples:
        | compose        |
        | docker compose |

    @browser
    Scenario: A visitor finds all whales after the app has gone there and back
      Given moby-counter runs on "node1"
      When a visitor opens the app on "node1"
      And the visitor places a whale
      And the operator stops the app on "node1", to start it on "node2", with
        """
        cd /vagrant/app && docker-compose stop
        """
      And the operator starts moby-counter on "node2"
      And the visitor opens the app on "node2"
      And the visitor places a whale
      And a script places a whale
      And the operator stops the app on "node2", to start it on "node1", with
        """
        cd /vagrant/app && docker-compose stop
        """
      And the operator starts moby-counter on "node1"
      And the visitor opens the app on "node1"
      Then the visitor sees the same whales in the same places on "node1"
      And "node1" owns the volume "demo"

  Rule: Your own app moves in the same way

    The nodes reach no registry, so their own Postgres stands in for the image that the file names.

    Scenario: The app of the README's Compose file moves to another node
      Given the Compose file of the README is on "node1" and "node2"
      And its app runs on "node1", and its database holds "hello"
      When its app is stopped on "node1" and started on "node2"
      Then it succeeds
      And its database on "node2" holds "hello"
      And "node2" owns the volume "shop-data"

  Rule: One node at a time writes to a volume

    Scenario: A volume in use elsewhere is refused, and the answer says where and by what
      Given moby-counter runs on "node1"
      When the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v demo:/data busybox ls /data
        """
      Then it is refused while redis on "node1" uses the volume "demo"
      And "node1" owns the volume "demo"

  Rule: An operator can see where everything is

    Scenario: The nodes, the volumes and their owners are listed
      Given moby-counter runs on "node1"
      When the operator types on "node2"
        """
        sudo flocker status
        """
      Then it says "node2"
      And it says "mounted on node1"
