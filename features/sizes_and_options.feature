@normal @allure.epic:What_an_operator_can_do
Feature: A volume is what was asked for

  Rule: A volume holds no more than its size

    Scenario: A container that writes too much is told so, wherever the volume is
      Given the operator has typed on "node1"
        """
        docker volume create -d flocker -o size=64MiB small
        """
      When the operator types on "node1"
        """
        docker run --rm --volume-driver flocker -v small:/data busybox sh -c "dd if=/dev/urandom of=/data/fits bs=1000000 count=40 && dd if=/dev/urandom of=/data/too-much bs=1000000 count=40"
        """
      Then it is refused because the volume is full
      When the operator types on "node1"
        """
        docker run --rm --volume-driver flocker -v other:/data busybox sh -c "dd if=/dev/zero of=/data/file bs=1000000 count=80"
        """
      Then it succeeds
      When the operator types on "node2"
        """
        docker run --rm --volume-driver flocker -v small:/data busybox sh -c "dd if=/dev/urandom of=/data/too-much bs=1000000 count=40"
        """
      Then it is refused because the volume is full
      When the operator types on "node2"
        """
        docker volume inspect small
        """
      Then "node2" shows the volume "small" with a size of 64MiB

    Scenario: A volume grows and shrinks under a running container, but not below what it holds
      Given the operator has typed on "node1"
        """
        docker volume create -d flocker -o size=32MiB small
        """
      And the operator has typed on "node1"
        """
        docker run -d --init --name app --volume-driver flocker -v small:/data busybox sleep 1000
        """
      When the operator types on "node1"
        """
        docker exec app sh -c "dd if=/dev/zero of=/data/file bs=1000000 count=48"
        """
      Then it is refused because the volume is full
      When the operator types on "node2"
        """
        sudo flocker resize small 96MiB
        """
      Then it succeeds
      When the operator types on "node1"
        """
        docker exec app sh -c "dd if=/dev/zero of=/data/file bs=1000000 count=48"
        """
      Then it succeeds
      When the operator types on "node1"
        """
        sudo flocker resize small 32MiB
        """
      Then it is refused with "delete data first, or choose a larger size"
      When the operator types on "node1"
        """
        sudo flocker resize small 64MiB
        """
      Then it succeeds
      When the operator types on "node1"
        """
        docker exec app sh -c "dd if=/dev/zero of=/data/more bs=1000000 count=40"
        """
      Then it is refused because the volume is full

  Rule: Invalid options are refused, not ignored

    Scenario: An option that does not exist is answered with those that do
      When the operator types on "node1"
        """
        docker volume create -d flocker -o sise=1GiB small
        """
      Then it is refused with "unknown option 'sise'"
      And the refusal says "size="
      And the refusal says "replicas="
      And the refusal says "failover="
      And the refusal says "from="

    Scenario Outline: <option> is refused
      When the operator types on "node1"
        """
        docker volume create -d flocker -o <option> small
        """
      Then it is refused with "<reason>"

      Examples:
        | option             | reason              |
        | size=lots          | is not a size       |
        | size=1KiB          | cannot have a size  |
        | replicas=-1        | number of replicas  |
        | failover=sometimes | is not known        |
        | from=nothing@1     | no volume 'nothing' |

  Rule: Options that Docker does not pass on can be seen

    Scenario: A second node asks for another size, and Docker says yes
      Docker asks no driver about options of a volume that exists. What it is really like is in
      its status.

      Given the operator has typed on "node1"
        """
        docker volume create -d flocker -o size=64MiB small
        """
      When the operator types on "node2"
        """
        docker volume create -d flocker -o size=1GiB small
        """
      Then it succeeds
      When the operator types on "node2"
        """
        docker volume inspect small
        """
      Then "node2" shows the volume "small" with a size of 64MiB
      And "node2" shows for the volume "small" that size=1GiB was asked for, the volume has 64MiB
