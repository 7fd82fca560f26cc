@normal @allure.epic:The_promises
Feature: Every engine lists the volumes of the whole cluster

  An engine knows only its own containers. So it may call a volume unused although a container on
  another node has it. If a local volume has the same name, the engine takes the local one. Neither may
  cost anybody a volume.

  Rule: A clean-up on one node removes no volume that another node uses

    Scenario: Volumes of stopped containers on another node are not removed
      Given moby-counter runs on "node1"
      And the operator has stopped moby-counter on "node1"
      And the engine of "node2" considers the volume "demo" unused
      When "node2" removes all volumes that it considers unused
      Then it is refused while redis, which is stopped on "node1", uses the volume "demo"
      And Docker answers
        | node  | question                | answer |
        | node1 | which volumes there are | demo   |

    Scenario: Stopped containers on a former owner do not keep a volume from being removed
      Given moby-counter runs on "node1"
      And the operator has stopped moby-counter on "node1"
      And moby-counter runs on "node2"
      When the operator removes moby-counter and its volumes on "node2"
      Then it succeeds
      And there is no volume on "node1"

  Rule: A local volume that hides a volume of the cluster is reported

    @readme
    Scenario: A node has a local volume of the same name
      Given the operator has typed on "node2"
        """
        docker volume create demo
        """
      And the operator has typed on "node1"
        """
        docker run --rm --volume-driver flocker -v demo:/data busybox sh -c "echo hello > /data/file.txt"
        """
      When the operator types on "node2"
        """
        docker volume ls
        """
      Then it says "local"
      And "node1" knows of a problem of "node2" with the volume "demo": containers on this node get a local volume
      When a program of the operator asks "node2" for its metrics
      Then it says "flocker_problems 1.0"
      When the operator types on "node2"
        """
        docker volume rm demo
        """
      Then it succeeds
      When the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v demo:/data busybox cat /data/file.txt
        """
      Then it prints "hello"
