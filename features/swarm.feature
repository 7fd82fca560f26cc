@critical @swarm @fault @slow @three_nodes @allure.epic:The_promises
Feature: A service of a swarm has its data on every node

  Docker Swarm chooses the node on which a service runs. The driver brings the volume there. The nodes of
  this swarm give a sign of life every two seconds, instead of Docker's five.

  Rule: A service that moves takes its data along

    @readme
    Scenario: The first service of a fresh swarm runs, and moves when its node is drained
      Given the nodes are a swarm
      And the operator has typed on "node1"
        """
        docker volume create -d flocker -o failover=auto tally
        """
      And the operator has typed on "node1"
        """
        docker service create --detach --name counter --mount source=tally,target=/data,volume-driver=flocker busybox sh -c "while date >> /data/log; do sleep 1; done"
        """
      And the service "counter" keeps writing to its volume
      When the node of the service is drained
      Then the service "counter" runs on another node within 60 seconds
      And the service "counter" goes on after every line it had written

  Rule: A service on a volume with automatic failover survives its node

    @power
    Scenario: A service whose node died comes back with the lines that had been copied
      Given the nodes are a swarm
      And "node1" has created the volume "tally" with
        | failover |
        | auto     |
      And "node1" has started the service "counter" with the volume "tally"
      And the service "counter" keeps writing to its volume
      And all nodes hold all of the volume "tally"
      When the node of the service loses its power
      Then the service "counter" runs on another node within 60 seconds
      And the service "counter" goes on after every line it had written
