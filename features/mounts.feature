@normal @allure.epic:The_promises
Feature: Docker's ways to use a volume work with the driver

  Rule: Read-only, shared, partial, unnamed and pre-filled volumes work as Docker promises

    @behaviour.33
    Scenario: A container that may only read cannot write
      Given "node1" has written "kept" to the volume "notes"
      When a container on "node2" that may only read the volume "notes" reads it, then writes to it
      Then it is refused because it may only be read
      And it has read "kept"
      And the volume "notes" still says "kept"

    @subfolder @behaviour.33
    Scenario: A container gets no more than a folder of the volume
      Given "node1" has made the folder "pages" with the file "index" in the volume "site"
      When "node2" mounts the folder "pages" of the volume "site" only
      Then it finds the file "index" and nothing else

    @behaviour.33
    Scenario: A volume without a name goes with its container
      When a container on "node1" writes "gone" to a volume without a name
      Then it reads "gone"
      And there is no volume on "node1"

    @behaviour.33
    Scenario: Two containers share a volume, one by the other's name
      Given a container on "node1" keeps writing to the volume "notes"
      When another container on "node1" gets the volumes of the first by its name
      Then it finds the file "log" and nothing else
      And "node2" is refused the volume "notes" because the container on "node1" uses it

    Scenario: Files of an image are copied into a new volume only
      Given a container of the app's image on "node1" has changed its files in the volume "srv"
      When a container of the app's image on "node2" reads what was changed in the volume "srv"
      Then it reads "changed"
