@critical @allure.epic:The_promises
Feature: Everybody may do what they need, and strangers nothing

  A volume holds somebody's data. Each part of the cluster proves by a certificate who it is, and gets what its part needs.
  SECURITY.md has the whole table.

  Rule: Strangers are turned away before they have asked

    Scenario Outline: A program without a certificate asks for <what>
      When a program without a certificate asks "node1" for its <what>
      Then it is turned away before it has asked

      Examples:
        | what    |
        | health  |
        | metrics |
        | asides  |

    Scenario: A program without a certificate asks etcd
      When a program without a certificate asks the etcd of "node1" whether it is well
      Then it is turned away before it has asked

    Scenario: Docker's engine listens on no network
      Then no engine of a node listens on a network

  Rule: A monitor sees figures and nothing else

    Scenario: A monitor reads health and metrics
      When a monitor asks "node1" for its health
      Then it prints JSON
      When a monitor asks "node1" for its metrics
      Then it says "# TYPE flocker_"

    Scenario: A monitor wants what is not a monitor's
      Given the operator has typed on "node1"
        """
        docker run --rm --volume-driver flocker -v ledger:/data busybox sh -c "echo hello > /data/file.txt"
        """
      When a monitor asks "node1" for its asides
      Then it is refused with "may not ask this"
      When a monitor asks "node1" to remove the volume "ledger"
      Then it is refused with "may not ask this"
      When the operator types on "node1"
        """
        docker run --rm -v ledger:/data busybox cat /data/file.txt
        """
      Then it prints "hello"

  Rule: A node reads only volumes that it copies or receives

    Scenario: A node asks for a volume that stays on another node
      Given the operator has typed on "node1"
        """
        docker volume create -d flocker -o replicas=0 private
        """
      When "node2" asks "node1" for the snapshots of the volume "private"
      Then it is refused with "node2 neither copies nor receives volume"

    Scenario: A node asks for a volume that it copies
      Given the operator has typed on "node1"
        """
        docker run --rm --volume-driver flocker -v ledger:/data busybox sh -c "echo hello > /data/file.txt"
        """
      When "node2" asks "node1" for the snapshots of the volume "ledger"
      Then it succeeds

  Rule: A container reaches the app and nothing of the control plane

    Scenario Outline: A container on node1 asks for port <port> of <node>
      When a container on "node1" connects to port <port> of "<node>"
      Then it gets no connection

      Examples:
        | node  | port | what listens there |
        | node1 | 4523 | the driver         |
        | node2 | 4523 | the driver         |
        | node1 | 2379 | etcd, for drivers  |
        | node1 | 2380 | etcd, for members  |

    Scenario: A container on one node opens the app on another
      Given moby-counter runs on "node1"
      When a container on "node2" opens the app on "node1"
      Then it says "Moby Counter"

  Rule: A local user of a node reads neither volumes nor keys

    Scenario Outline: A local user wants to read <what>
      When a local user of "node1" reads "<path>"
      Then it is refused with "Permission denied"

      Examples:
        | what                  | path                           |
        | the pool's file       | /var/lib/flocker-disk/pool.img |
        | the volumes           | /var/lib/flocker/volumes       |
        | the driver's key      | /etc/flocker/certs/key.pem     |
        | the app's password    | /etc/moby-counter/password     |
