@normal @allure.epic:The_promises
Feature: A volume can be used in every way Docker has

  Rule: The driver takes part in whatever Docker does with volumes

    Scenario: A container that may only read cannot write
      Given the operator has typed on "node1"
        """
        docker run --rm --volume-driver flocker -v notes:/data busybox sh -c "echo kept > /data/note"
        """
      When the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v notes:/data:ro busybox sh -c "cat /data/note; echo lost > /data/note"
        """
      Then it is refused with "Read-only file system"
      And the refusal says "kept"

    @subfolder
    Scenario: A container gets no more than a folder of the volume
      Given the operator has typed on "node1"
        """
        docker run --rm --volume-driver flocker -v site:/data busybox sh -c "mkdir /data/pages /data/keys && echo hello > /data/pages/index"
        """
      When the operator types on "node2"
        """
        docker run --rm --mount type=volume,src=site,dst=/pages,volume-subpath=pages busybox ls /pages
        """
      Then it prints "index"

    Scenario: A volume without a name goes with its container
      When the operator types on "node1"
        """
        docker run --rm --volume-driver flocker -v /data busybox sh -c "echo gone > /data/note && cat /data/note"
        """
      Then it prints "gone"
      When the operator types on "node1"
        """
        docker volume ls --quiet | wc -l
        """
      Then it prints "0"

    Scenario: Two containers share a volume, one by the other's name
      Given a container on "node1" keeps writing to the volume "notes"
      When the operator types on "node1"
        """
        docker run --rm --volumes-from writer busybox ls /data
        """
      Then it prints "log"
      And "node2" is refused the volume "notes" because of the container on "node1"

    Scenario: Files of an image are copied into a new volume only
      Given the operator has typed on "node1"
        """
        docker run --rm --user 0 --volume-driver flocker -v srv:/srv binocarlos/moby-counter sh -c "ls /srv > /dev/null && echo changed > /srv/mine"
        """
      When the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v srv:/srv binocarlos/moby-counter cat /srv/mine
        """
      Then it prints "changed"
