@normal @allure.epic:What_an_operator_can_do
Feature: A volume has the size and options that were asked for

  Rule: A volume holds no more than its size

    @behaviour.29
    Scenario Outline: A container on <node> cannot write more than the size
      Given "node1" has created the volume "small" with
        | size  |
        | 64MiB |
      And "node1" has written "hello" to the volume "small"
      And "node1" has filled the volume "small" with 40 MB
      When "<node>" fills the volume "small" with 40 MB
      Then it is refused because the volume is full
      And the volume "small" still says "hello"
      And "<node>" shows the volume "small" with a size of 64MiB
      And "<node>" can fill the volume "other" with 80 MB

      Examples:
        | node  |
        | node1 |
        | node2 |

    @behaviour.29
    Scenario: A volume grows under a running container
      Given "node1" has created the volume "small" with
        | size  |
        | 32MiB |
      And a container on "node1" has the volume "small", and has no room for 48 MB
      When "node2" resizes the volume "small" to 96MiB
      Then it succeeds
      And the container on "node1" has room for 48 MB
      And "node1" shows the volume "small" with a size of 96MiB

    Scenario: A volume shrinks under a running container
      Given "node1" has created the volume "small" with
        | size  |
        | 96MiB |
      And a container on "node1" has the volume "small", and has room for 48 MB
      When "node1" resizes the volume "small" to 64MiB
      Then it succeeds
      And the container on "node1" has no room for 40 MB
      And "node1" shows the volume "small" with a size of 64MiB

    Scenario: A volume does not become smaller than what it holds
      Given "node1" has created the volume "small" with
        | size  |
        | 96MiB |
      And a container on "node1" has the volume "small", and has room for 48 MB
      When "node1" resizes the volume "small" to 32MiB
      Then it is refused because it holds more than that
      And "node1" shows the volume "small" with a size of 96MiB
      And the container on "node1" has room for 40 MB

  Rule: Invalid options are refused, not ignored

    @behaviour.4
    Scenario: An option that does not exist is answered with those that do
      When "node1" creates the volume "small" with
        | sise |
        | 1GiB |
      Then it is refused because there is no option "sise", only size, replicas, failover, from and pool
      And there is no volume on "node1"

    Scenario Outline: <option>=<value> is refused
      When "node1" creates the volume "small" with
        | <option> |
        | <value>  |
      Then it is refused with "<reason>"
      And there is no volume on "node1"

      Examples:
        | option   | value     | reason              |
        | size     | lots      | is not a size       |
        | size     | 1KiB      | cannot have a size  |
        | replicas | -1        | number of replicas  |
        | failover | sometimes | is not known        |
        | from     | nothing@1 | no volume 'nothing' |
        | pool     | tape      | is not known        |
        | pool     | shared    | reaches no Ceph     |

  Rule: Options that Docker did not pass to the driver are shown

    Scenario: A second node asks for another size, and Docker says yes
      Docker asks no driver about the options of a volume that exists. The volume's status shows the
      real ones.

      Given "node1" has created the volume "small" with
        | size  |
        | 64MiB |
      When "node2" creates the volume "small" with
        | size |
        | 1GiB |
      Then it succeeds
      And "node2" shows the volume "small" with a size of 64MiB
      And "node2" shows for the volume "small" that size=1GiB was asked for, the volume has 64MiB
