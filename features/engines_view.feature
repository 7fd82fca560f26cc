@normal @allure.epic:The_promises
Feature: Every engine lists the volumes of the whole cluster

  An engine knows its own containers only, and it takes its own local volumes first. Neither may cost
  anybody a volume.

  Rule: A clean-up on one node leaves other nodes their volumes

    Scenario: Volumes of stopped containers on another node are not removed
      Given moby-counter runs on "node1"
      And the operator has typed on "node1"
        """
        cd /vagrant/app && docker-compose stop
        """
      When the operator types on "node2"
        """
        docker volume ls --quiet --filter dangling=true
        """
      Then it prints "demo"
      When the operator types on "node2"
        """
        docker volume rm $(docker volume ls --quiet --filter dangling=true)
        """
      Then it is refused because redis, which is stopped on "node1", uses the volume "demo"
      When the operator types on "node1"
        """
        docker volume ls --quiet
        """
      Then it prints "demo"

    Scenario: Containers that a move left behind do not keep a volume from being removed
      Given moby-counter runs on "node1"
      And the operator has typed on "node1"
        """
        cd /vagrant/app && docker-compose stop
        """
      And moby-counter runs on "node2"
      When the operator types on "node2"
        """
        cd /vagrant/app && docker-compose down --volumes
        """
      Then it succeeds
      When the operator types on "node1"
        """
        docker volume ls --quiet | wc -l
        """
      Then it prints "0"

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
