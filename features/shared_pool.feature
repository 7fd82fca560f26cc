@ceph @three_nodes @critical @allure.epic:The_promises
Feature: A volume on Ceph has one copy, which all nodes reach

  With pool=shared the story is the same, and a move copies nothing. When a node dies, no write that
  was flushed is missing. A node that was replaced while it was paused is refused by Ceph itself.

  Rule: The story does not change

    @readme
    Scenario: A container on another node reads the data that a container wrote to a shared volume
      When the operator types on "node1"
        """
        docker volume create -d flocker -o pool=shared simple
        """
      Then it succeeds
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
      And the volume "simple" is in the pool "shared"

    @readme @browser
    Scenario: A visitor finds the same whales after the app has moved with a shared volume
      Given "node1" has created the volume "demo" with
        | pool   |
        | shared |
      And moby-counter runs on "node1"
      And a visitor has placed 5 whales on "node1"
      When the operator stops the app on "node1", to start it on "node2", with
        """
        cd /vagrant/app && docker-compose stop
        """
      And the operator starts moby-counter on "node2"
      Then the app shows its data on "node2" within 5 seconds
      And the visitor finds the same whales on "node2"
      And the page says that "node2" serves it
      And "node2" owns the volume "demo"
      And the volume "demo" is in the pool "shared"

  Rule: A takeover loses nothing that was flushed

    @fault @slow @power @blocker
    Scenario Outline: A node dies, and another continues with all that was flushed
      Given "node1" has created the volume "ledger" with
        | pool   | failover |
        | shared | auto     |
      And a container on "node1" keeps syncing what it writes to the volume "ledger"
      And the container on "node1" has written some more lines
      When "node1" loses its power
      Then another node owns the volume "ledger" within <takeover> seconds
      And "node2" can add "taken over" to the volume "ledger"
      When "node1" has its power back
      Then "node2" reads all that the container on "node1" has written to the volume "ledger"
      And "node1" reads "taken over" last in the volume "ledger"

      Examples:
        | takeover |
        | 90       |

  Rule: Ceph refuses a node that was replaced

    @fault @slow @pause
    Scenario Outline: A node that was paused while another took over cannot write any more
      Given "node1" has created the volume "ledger" with
        | pool   | failover |
        | shared | auto     |
      And a container on "node1" keeps syncing what it writes to the volume "ledger"
      And the container on "node1" has written some more lines
      And Ceph knows the client of "node1" for the volume "ledger"
      And "node1" has been paused
      And another node owns the volume "ledger" within <takeover> seconds
      And "node2" has added "taken over" to the volume "ledger"
      When "node1" resumes
      Then the container on "node1" is stopped
      And Ceph refuses the client that "node1" had for the volume "ledger"
      And "node1" reads "taken over" last in the volume "ledger"

      Examples:
        | takeover |
        | 90       |
