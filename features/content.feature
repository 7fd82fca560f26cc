@normal @allure.epic:The_promises
Feature: A volume arrives exactly as it was, or it stays

  Rule: A file keeps its owner, mode, links and holes in a move

    Scenario: Owner, mode, links and pipes are the same on the other node
      Given the operator has typed on "node1"
        """
        docker run --rm --volume-driver flocker -v site:/data busybox sh -c "cd /data && echo hello > page && chown 999:1234 page && chmod 4751 page && ln page link && mkfifo pipe && mkdir -p a/b/c"
        """
      When the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v site:/data busybox sh -c 'cd /data && test -p pipe && test -d a/b/c && echo $(stat -c "%n %a %u:%g %h" page link) $(cat link)'
        """
      Then it prints "page 4751 999:1234 2 link 4751 999:1234 2 hello"

    Scenario: A hole that is punched into a file takes no room on the other node either
      Given the operator has typed on "node1"
        """
        docker run --rm --volume-driver flocker -v site:/data busybox dd if=/dev/urandom of=/data/file bs=1M count=8
        """
      And all nodes hold all of the volume "site"
      And the operator has typed on "node1"
        """
        sudo fallocate --punch-hole --length 4M $(docker volume inspect -f '{{.Mountpoint}}' site)/file
        """
      When the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v site:/data busybox sh -c "du -k /data/file | cut -f 1"
        """
      Then it prints "4096"

  Rule: A volume with content that cannot travel stays where it is

    Scenario: A move names the subvolume inside the volume, and leaves nothing behind
      Given the operator has typed on "node1"
        """
        docker run --rm --volume-driver flocker -v site:/data busybox sh -c "echo kept > /data/page" && sudo btrfs -q subvolume create $(docker volume inspect -f '{{.Mountpoint}}' site)/layer
        """
      When the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v site:/data busybox ls /data
        """
      Then it is refused with "cannot leave node1: the folder 'layer' in it is a subvolume"
      And "node1" owns the volume "site"
      When the operator types on "node1"
        """
        sudo flocker status
        """
      Then it says "the folder 'layer' in it is a subvolume"
      When the operator types on "node1"
        """
        sudo btrfs -q subvolume delete $(docker volume inspect -f '{{.Mountpoint}}' site)/layer
        """
      And the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v site:/data busybox cat /data/page
        """
      Then it prints "kept"

  Rule: An operator can compare the copies

    Scenario: All copies are compared with the owner's data
      Given the operator has typed on "node1"
        """
        docker run --rm --volume-driver flocker -v site:/data busybox sh -c "echo kept > /data/page"
        """
      And all nodes hold all of the volume "site"
      When the operator types on "node2"
        """
        sudo flocker verify site
        """
      Then it succeeds
      And it says "same"
