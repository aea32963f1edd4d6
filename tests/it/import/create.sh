#!/bin/sh
# Creates the cluster.
nodes="n1:6379 n2:6379 n3:6379 n4:6379 n5:6379 n6:6379"
until redis-cli -h n6 ping; do sleep 1; done
redis-cli --cluster create $nodes --cluster-replicas "$REPLICAS" --cluster-yes
