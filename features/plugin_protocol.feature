@normal @allure.epic:The_promises
Feature: The driver stands whatever its engine asks

  An engine repeats a question when the answer got lost, asks in any order after a crash, and
  passes on names as people typed them. The driver is asked here directly, as the engine does it.

  Rule: Asking again changes nothing

    Scenario: A volume that is there already is not made anew
      When Docker asks "node1" for VolumeDriver.Create
        """
        {"Name": "notes", "Opts": {"size": "64MiB"}}
        """
      Then the driver agrees
      When the operator types on "node1"
        """
        docker run --rm -v notes:/data busybox sh -c "echo kept > /data/note"
        """
      And Docker asks "node1" for VolumeDriver.Create
        """
        {"Name": "notes", "Opts": {"size": "64MiB"}}
        """
      Then the driver agrees
      When Docker asks "node2" for VolumeDriver.Create
        """
        {"Name": "notes", "Opts": null}
        """
      Then the driver agrees
      When the operator types on "node2"
        """
        docker run --rm -v notes:/data busybox cat /data/note
        """
      Then it prints "kept"

    Scenario: A volume that is there already is refused with other options
      Given the operator has typed on "node1"
        """
        docker volume create -d flocker -o size=64MiB notes
        """
      When Docker asks "node1" for VolumeDriver.Create
        """
        {"Name": "notes", "Opts": {"size": "1GiB", "failover": "auto"}}
        """
      Then the driver refuses with "size=1GiB was asked for, the volume has 64MiB"
      And the driver refuses with "failover=auto was asked for, the volume has manual"

    Scenario: A volume mounted twice by the same use is in use until it is unmounted twice
      `docker cp` from a running container does this.

      Given the operator has typed on "node1"
        """
        docker volume create -d flocker notes
        """
      When Docker asks "node1" for VolumeDriver.Mount
        """
        {"Name": "notes", "ID": "one"}
        """
      And Docker asks "node1" for VolumeDriver.Mount
        """
        {"Name": "notes", "ID": "one"}
        """
      And Docker asks "node1" for VolumeDriver.Unmount
        """
        {"Name": "notes", "ID": "one"}
        """
      And Docker asks "node2" for VolumeDriver.Mount
        """
        {"Name": "notes", "ID": "two"}
        """
      Then the driver refuses with "volume 'notes' is in use"
      When Docker asks "node1" for VolumeDriver.Unmount
        """
        {"Name": "notes", "ID": "one"}
        """
      And Docker asks "node2" for VolumeDriver.Mount
        """
        {"Name": "notes", "ID": "two"}
        """
      Then the driver agrees

    Scenario: Removing a missing volume succeeds, and so does unmounting an unused one
      When Docker asks "node1" for VolumeDriver.Remove
        """
        {"Name": "never-there"}
        """
      Then the driver agrees
      Given the operator has typed on "node1"
        """
        docker volume create -d flocker notes
        """
      When Docker asks "node1" for VolumeDriver.Unmount
        """
        {"Name": "notes", "ID": "never-mounted"}
        """
      Then the driver agrees

    Scenario: Two nodes that make the same volume at once make one
      When the operators of "node1" and "node2" type at once
        """
        docker volume create -d flocker notes
        """
      Then all of them succeed
      And all nodes name the same owner of the volume "notes"

  Rule: A missing volume is reported as missing

    Scenario Outline: <call> of a volume nobody made
      When Docker asks "node1" for VolumeDriver.<call>
        """
        {"Name": "never-there", "ID": "one"}
        """
      Then the driver refuses with "no volume 'never-there'"

      Examples:
        | call  |
        | Get   |
        | Path  |
        | Mount |

  Rule: Malformed requests are refused, and harm nothing

    Scenario Outline: A request that is <wrong>
      When Docker asks "node1" for VolumeDriver.Create
        """
        <request>
        """
      Then the driver refuses with "<reason>"

      Examples:
        | wrong                  | request                 | reason                              |
        | cut off                | {"Name": "no            | plugin protocol says: body: Invalid |
        | not an object          | ["notes"]               | plugin protocol says: body: Input   |
        | without a name         | {"Opts": {}}            | Name: Field required                |
        | empty-handed           |                         | without its content                 |
        | for a number           | {"Name": 7}             | Name: Input should be a valid str   |
        | for a name of nothing  | {"Name": ""}            | cannot be a volume's name           |
        | for a way out          | {"Name": "../../etc"}   | cannot be a volume's name           |
        | for a name with blanks | {"Name": "my notes"}    | cannot be a volume's name           |
        | for another alphabet   | {"Name": "z\u00e4hler"} | cannot be a volume's name           |

    Scenario: The longest name there can be, and one more letter
      When Docker asks "node1" to make a volume with a name of 255 letters
      Then the driver agrees
      When Docker asks "node1" to make a volume with a name of 256 letters
      Then the driver refuses with "cannot be a volume's name"

    Scenario: A question the protocol does not have
      When Docker asks "node1" for VolumeDriver.Defragment
        """
        {}
        """
      Then the driver does not know the question
      When Docker asks "node1" for Plugin.Activate
        """
        """
      Then the driver says "VolumeDriver"
