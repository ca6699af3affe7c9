#!/usr/bin/env bash
# One Apache Kafka node (KRaft) on this machine's loopback, for the bridge's tests, faults and benchmarks. It wants Java 17, Maven and
# openssl; its jars (43 MB) come from Maven Central the first time and are kept under ~/.cache.
#
#   eval "$(test/kafka.sh start)"     start it unless it runs, and set the variables that the tests look at
#   test/kafka.sh stop [--kill]       end it in order, or with SIGKILL; what it holds stays
#   test/kafka.sh clean               end it and throw away what it holds
#   test/kafka.sh env                 print the variables
#   test/kafka.sh console TOPIC [committed|uncommitted]   everything in a topic, by Kafka's own consumer: partition, offset, key, ce_id
#
# --dir and --port (three ports in a row: plain, controller, TLS) keep several apart. KAFKA_EXTRA names a file of broker settings that
# are added when the folder is made.
#
# KAFKA_BROKERS is the plain listener: a shop that is started in the same shell publishes there. The other one takes SASL over TLS, PLAIN
# and SCRAM-SHA-512; its variables have names of the tests' own (TEST_KAFKA_TLS_...), or a shop would speak TLS to the plain one.
set -euo pipefail

version=4.1.1
jars=${XDG_CACHE_HOME:-$HOME/.cache}/tillroll-kafka/$version-tools
home=${TMPDIR:-/tmp}/tillroll-kafka
port=19092
signal=TERM
verb=${1:-}
shift || true
words=()
while [ $# -gt 0 ]; do
  case $1 in
    --dir) home=$2; shift ;;
    --port) port=$2; shift ;;
    --kill) signal=KILL ;;
    *) words+=("$1") ;;
  esac
  shift
done

fail() { echo "kafka.sh: $*" >&2; exit 1; }

alive() { [ -s "$home/pid" ] && kill -0 "$(cat "$home/pid")" 2>/dev/null; }

fetch_jars() {
  if [ -e "$jars/all" ]; then return; fi
  for needed in java mvn; do command -v "$needed" >/dev/null || fail "needs $needed"; done
  echo "kafka.sh: fetching Kafka $version" >&2
  mkdir -p "$jars"
  cat >"$jars/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tillroll</groupId><artifactId>kafka</artifactId><version>0</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
POM
  for attempt in 1 2 3; do
    if mvn -B -q -f "$jars/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$jars/lib" >&2; then
      touch "$jars/all"
      return
    fi
    echo "kafka.sh: attempt $attempt failed" >&2
    sleep 3
  done
  fail 'the jars could not be fetched'
}

java_with() { java -Xmx256m -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$jars/lib/*" "$@"; }

make_home() {
  if [ -e "$home/broker.properties" ]; then return; fi
  command -v openssl >/dev/null || fail 'needs openssl'
  mkdir -p "$home"
  openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=localhost \
    -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -keyout "$home/key.pem" -out "$home/ca.pem" 2>"$home/openssl.log" \
    || fail "openssl failed: $(tail -1 "$home/openssl.log")"
  cat "$home/key.pem" "$home/ca.pem" >"$home/keystore.pem"
  echo "$port" >"$home/port"
  cat >"$home/draft.properties" <<SETTINGS
node.id=1
process.roles=controller,broker
controller.quorum.voters=1@127.0.0.1:$((port + 1))
controller.listener.names=QUORUM
listeners=OPEN://127.0.0.1:$port,QUORUM://127.0.0.1:$((port + 1)),SAFE://localhost:$((port + 2))
advertised.listeners=OPEN://127.0.0.1:$port,SAFE://localhost:$((port + 2))
listener.security.protocol.map=OPEN:PLAINTEXT,QUORUM:PLAINTEXT,SAFE:SASL_SSL
inter.broker.listener.name=OPEN
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.safe.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_shop="shop-secret";
listener.name.safe.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location=$home/keystore.pem
log.dirs=$home/log
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
SETTINGS
  if [ -n "${KAFKA_EXTRA:-}" ]; then cat "$KAFKA_EXTRA" >>"$home/draft.properties"; fi
  local id
  id=$(java_with kafka.tools.StorageTool random-uuid)
  java_with kafka.tools.StorageTool format -t "$id" -c "$home/draft.properties" \
    --add-scram 'SCRAM-SHA-512=[name=shop,password=shop-secret]' >"$home/format.log" 2>&1 \
    || fail "the folder could not be made: $(tail -1 "$home/format.log")"
  mv "$home/draft.properties" "$home/broker.properties"
}

start() {
  if alive; then return; fi
  fetch_jars
  make_home
  : >"$home/broker.log"
  setsid nohup java -Xms64m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$jars/lib/*" \
    kafka.Kafka "$home/broker.properties" </dev/null >"$home/broker.log" 2>&1 &
  echo $! >"$home/pid"
  local waited=0
  until grep -q 'Kafka Server started' "$home/broker.log"; do
    alive || fail "Kafka did not come up: $(grep -m1 -E 'ERROR|Exception' "$home/broker.log" || tail -1 "$home/broker.log")"
    waited=$((waited + 1))
    [ $waited -lt 600 ] || fail 'Kafka did not come up within a minute'
    sleep 0.1
  done
}

stop() {
  if ! alive; then return; fi
  local pid waited=0
  pid=$(cat "$home/pid")
  kill "-$signal" "$pid"
  while kill -0 "$pid" 2>/dev/null; do
    waited=$((waited + 1))
    [ $waited -lt 300 ] || fail "process $pid does not end"
    sleep 0.1
  done
  rm -f "$home/pid"
}

variables() {
  [ -e "$home/port" ] || fail "there is none under $home"
  local at
  at=$(cat "$home/port")
  echo "export KAFKA_BROKERS=127.0.0.1:$at"
  echo "export TEST_KAFKA_TLS_BROKERS=localhost:$((at + 2)) TEST_KAFKA_TLS_CA=$home/ca.pem"
  echo "export TEST_KAFKA_TLS_USERNAME=shop TEST_KAFKA_TLS_PASSWORD=shop-secret"
}

console() {
  alive || fail 'it does not run'
  java_with org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "127.0.0.1:$(cat "$home/port")" --topic "$1" \
    --from-beginning --isolation-level "read_${2:-committed}" --timeout-ms "${KAFKA_PATIENCE:-8000}" \
    --property print.partition=true --property print.offset=true --property print.key=true \
    --property print.headers=true --property print.value=false 2>"$home/console.log" \
    || grep -q 'TimeoutException' "$home/console.log" || fail "the consumer failed: $(head -1 "$home/console.log")"
}

case $verb in
  start) start; variables ;;
  stop) stop ;;
  clean) stop; rm -rf "$home" ;;
  env) variables ;;
  console) [ ${#words[@]} -gt 0 ] || fail 'which topic?'; console "${words[@]}" ;;
  *) fail 'start, stop, clean, env or console' ;;
esac
