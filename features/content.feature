@normal @allure.epic:The_promises
Feature: A move keeps the content of a volume, or is refused

  The README's section "What a move preserves" lists what btrfs does not carry.

  Rule: A file keeps its owner, mode, links and holes in a move

    @behaviour.15
    Scenario: Owner, mode, links and pipes are the same on the other node
      When "node1" makes a page, a link to it, a pipe and folders in the volume "site"
      Then "node2" finds these files in the volume "site"
        | file  | kind         | mode | owner    | links |
        | page  | regular file | 4751 | 999:1234 | 2     |
        | link  | regular file | 4751 | 999:1234 | 2     |
        | pipe  | fifo         | 644  | 0:0      | 1     |
        | a/b/c | directory    | 755  | 0:0      | 1     |
      And "node2" reads "hello" through the link in the volume "site"

    Scenario: A hole that is punched into a file takes no space on the other node either
      Given "node1" has made a file of 8 MiB in the volume "site"
      And all nodes hold all of the volume "site"
      When somebody on "node1" punches a hole of 4 MiB into the file in "site"
      Then the file takes 4 MiB in the volume "site" on "node2"

  Rule: A volume with content that cannot move stays where it is

    Scenario: A move names the subvolume inside the volume, and leaves nothing behind
      Given "node1" has written "kept" to the volume "site"
      And somebody on "node1" has made a subvolume "layer" in the volume "site"
      When "node2" reads the volume "site"
      Then it is refused because the folder "layer" in it cannot leave "node1"
      And "node1" owns the volume "site"
      And the volume "site" still says "kept"
      And "node1" reports "the folder 'layer' in it is a subvolume"

    Scenario: A volume can move again when the subvolume inside is gone
      Given "node1" has written "kept" to the volume "site"
      And somebody on "node1" has made a subvolume "layer" in the volume "site"
      And "node2" is refused the volume "site" because the folder "layer" in it cannot leave "node1"
      When somebody on "node1" deletes the subvolume "layer" in the volume "site"
      Then "node2" reads "kept" in the volume "site"

  Rule: An operator can compare the copies

    Scenario: All copies are compared with the owner's data
      Given "node1" has written "kept" to the volume "site"
      And all nodes hold all of the volume "site"
      When "node2" verifies the volume "site"
      Then it succeeds
      And it finds the copy of every node the same
