@critical @allure.epic:The_promises
Feature: A volume is in use as long as a container uses it, and not longer

  Engines and drivers are restarted, killed and upgraded while containers run. What each of them
  remembers about who uses a volume must be true afterwards: a volume let go too early would get a
  second writer, and one let go too late could never move again.

  Rule: A volume that is in use stays where it is

    Scenario: Copying a file out of a running container does not end its use
      Given a container on "node1" keeps writing to the volume "notes"
      When the operator types on "node1"
        """
        docker cp writer:/data/log - | wc -c
        """
      Then it succeeds
      And "node2" is refused the volume "notes" because of the container on "node1"
      And the container on "node1" still writes

    Scenario: Of two containers on a node, the first that stops does not end the other's use
      Given a container on "node1" keeps writing to the volume "notes"
      When the operator types on "node1"
        """
        docker run --rm --volume-driver flocker -v notes:/data busybox tail -n 1 /data/log
        """
      Then it succeeds
      And "node2" is refused the volume "notes" because of the container on "node1"

    @fault
    Scenario Outline: A driver that <ends> with containers running still knows of them
      Given a container on "node1" keeps writing to the volume "notes"
      When the driver on "node1" <ends>
      Then the container on "node1" still writes
      And "node2" is refused the volume "notes" because of the container on "node1"
      When the operator types on "node1"
        """
        docker stop writer
        """
      Then the volume "notes" can move to "node2"

      Examples:
        | ends                       |
        | is killed                  |
        | is replaced by a newer one |

    @fault
    Scenario: Containers that outlive their engine keep their volume
      Given the engine of "node1" lets containers go on without it
      And a container on "node1" keeps writing to the volume "notes"
      When the engine of "node1" is restarted
      Then the container on "node1" still writes
      And "node2" is refused the volume "notes" because of the container on "node1"
      When the operator types on "node1"
        """
        docker stop writer
        """
      Then the volume "notes" can move to "node2"

  Rule: A volume that nothing uses can move

    @fault
    Scenario: An engine that was killed leaves no use behind
      Given a container on "node1" keeps writing to the volume "notes"
      When the engine of "node1" is killed
      Then the container on "node1" is stopped
      And the volume "notes" can move to "node2"

    @fault @slow
    Scenario: A use ends although its unmount never reaches the driver
      Given a container on "node1" keeps writing to the volume "notes"
      When the operator types on "node1"
        """
        sudo systemctl stop flocker.socket flocker
        docker stop writer
        sudo systemctl start flocker.socket flocker
        """
      Then it succeeds
      And the volume "notes" can move to "node2" within 60 seconds

    @slow
    Scenario: The app is taken down with its volume 0 to 12 seconds after a start
      Given the operator has typed on "node1"
        """
        for node in node1 node2 node3; do
          docker run --rm --volume-driver flocker -v app-of-$node:/data busybox touch /data/before
        done
        """
      And the operators of all nodes have typed at once
        """
        echo "volumes: { demo: { name: app-of-$(hostname) } }" > /tmp/own.yml
        date +%s > /tmp/began
        """
      When the operators of all nodes type at once
        """
        app="docker-compose -f /vagrant/app/docker-compose.yml -f /tmp/own.yml"
        for seconds in $(seq $(hostname | sed 's/node1/0/; s/node2/0.5/; s/node3/1/') 1.5 12); do
          $app up -d && sleep $seconds && $app down -v || exit 1
        done
        """
      Then all of them succeed
      When the operators of all nodes type at once
        """
        docker volume ls --quiet
        sudo journalctl -u docker --since @$(cat /tmp/began) | grep 'retrying in' | wc -l
        rm /tmp/began /tmp/own.yml
        """
      Then each of them prints "0"

    Scenario: A container that cannot start leaves no use behind
      When the operator types on "node1"
        """
        docker run --volume-driver flocker -v notes:/data busybox no-such-command
        """
      Then it is refused with "no-such-command"
      And the volume "notes" can move to "node2"

    @three_nodes
    Scenario: A mount that was refused leaves no use behind
      Given a container on "node1" keeps writing to the volume "notes"
      And "node2" is refused the volume "notes" because of the container on "node1"
      When the operator types on "node1"
        """
        docker stop writer
        """
      Then the volume "notes" can move to "node2"
      And the volume "notes" can move to "node3"
