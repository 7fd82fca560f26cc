@critical @allure.epic:The_promises
Feature: Copies of a volume follow it, so that a move ships only the rest

  A volume has one owner, and copies on the other nodes that follow it while containers write.
  Whoever moves it later does not wait for what is there already.

  Rule: A container's writes are on the other nodes within 2 seconds

    Scenario: The copies keep up with a container that never stops writing
      Given a container on "node1" keeps writing to the volume "ticks"
      When the container on "node1" has written some more lines
      Then the copies of the volume "ticks" are never more than 2 seconds behind

    Scenario: A volume that asks for no copies has none
      Given the operator has typed on "node1"
        """
        docker volume create -d flocker -o replicas=0 scratch
        """
      And the operator has typed on "node1"
        """
        docker run --rm -v scratch:/scratch -v kept:/kept --volume-driver flocker busybox sh -c "echo one | tee /scratch/file > /kept/file"
        """
      When all nodes hold all of the volume "kept"
      Then no other node holds a copy of the volume "scratch"

  Rule: A move ships only what is missing

    Scenario: A volume of 100 MB goes there and back for the price of what was written
      Given the operator has typed on "node1"
        """
        docker run --rm --volume-driver flocker -v films:/data busybox sh -c "head -c 100000000 /dev/urandom > /data/first"
        """
      And all nodes hold all of the volume "films"
      When "node2" begins to count what it receives
      And the operator types on "node1"
        """
        docker run --rm --volume-driver flocker -v films:/data busybox sh -c "head -c 10000000 /dev/urandom > /data/second && sha256sum /data/*"
        """
      And the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v films:/data busybox sh -c "sha256sum /data/*"
        """
      Then it prints the same as before
      And it has received at most 12 MB
      When "node1" begins to count what it receives
      And the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v films:/data busybox sh -c "head -c 10000000 /dev/urandom > /data/third && sha256sum /data/*"
        """
      And the operator types on "node1"
        """
        docker run --rm --volume-driver flocker -v films:/data busybox sh -c "sha256sum /data/*"
        """
      Then it prints the same as before
      And it has received at most 12 MB

  Rule: A move loses nothing

    Scenario: Every kind of file arrives as it was left
      Five hundred small files, an owner and a mode of its own, an extended attribute, a hard link,
      a symbolic link, a pipe and a file with a hole.

      When the operator types on "node1"
        """
        docker run --rm --user 0 -v /vagrant/acceptance/manifest.py:/manifest.py:ro --volume-driver flocker -v files:/data binocarlos/moby-counter python3 /manifest.py make /data
        """
      Then it says "user.colour=b'red'"
      When the operator types on "node2"
        """
        docker run --rm --user 0 -v /vagrant/acceptance/manifest.py:/manifest.py:ro --volume-driver flocker -v files:/data binocarlos/moby-counter python3 /manifest.py list /data
        """
      Then it prints the same as before

    Scenario: The last writes of a stopped container are there after the move
      Given a container on "node1" keeps writing to the volume "ticks"
      When the container on "node1" has written some more lines
      And the operator types on "node1"
        """
        docker stop writer
        """
      And the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v ticks:/data busybox cat /data/log
        """
      Then it prints every line the container on "node1" has written
