@critical @allure.epic:The_promises
Feature: Copies of a volume follow it, so that a move sends only the rest

  A volume has one owner, and copies on the other nodes that follow it while containers write.
  A later move does not wait for data that is there already.

  Rule: A container's writes are soon on the other nodes

    Scenario Outline: The copies keep up with a container that never stops writing
      Given a container on "node1" keeps writing to the volume "ticks"
      When the container on "node1" has written some more lines
      Then the copies of the volume "ticks" are never more than <lag> seconds behind

      Examples:
        | lag |
        | 2   |

    Scenario: A volume that asks for no copies has none
      Given "node1" has created the volume "scratch" with
        | replicas |
        | 0        |
      And "node1" has written "one" to the volume "scratch"
      And "node1" has written "one" to the volume "kept"
      When all nodes hold all of the volume "kept"
      Then no other node holds a copy of the volume "scratch"

  Rule: A move sends only what is missing

    Scenario Outline: A move of a 100 MB volume sends only what was written since the last copy
      Given "node1" has filled the volume "films" with 100 MB
      And all nodes hold all of the volume "films"
      And "node2" has begun to count what it receives
      When "node1" fills the volume "films" with <written> MB
      Then "node2" finds the same files as the owner in the volume "films"
      And it has received at most <received> MB

      Examples:
        | written | received |
        | 10      | 12       |

    @behaviour.16
    Scenario Outline: A move back of a 100 MB volume sends only what was written since it left
      Given "node1" has filled the volume "films" with 100 MB
      And "node2" has filled the volume "films" with 10 MB
      And all nodes hold all of the volume "films"
      And "node1" has begun to count what it receives
      When "node2" fills the volume "films" with <written> MB
      Then "node1" finds the same files as the owner in the volume "films"
      And it has received at most <received> MB

      Examples:
        | written | received |
        | 10      | 12       |

  Rule: A move loses nothing

    @behaviour.15
    Scenario: Every kind of file arrives as it was left
      Five hundred small files, an owner and a mode of its own, an extended attribute, a hard link,
      a symbolic link, a pipe and a file with a hole.

      When "node1" makes a file of every kind in the volume "files"
      Then "node2" lists the same files in the volume "files"

    @behaviour.14
    Scenario: The last writes of a stopped container are there after the move
      Given a container on "node1" keeps writing to the volume "ticks"
      And the container on "node1" has written some more lines
      When the operator stops the container on "node1"
      Then "node2" reads all that the container on "node1" has written to the volume "ticks"
