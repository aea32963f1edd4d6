# A task gets a new address at every start, under a name that stays. What the node knows of the cluster stays in
# nodes.conf on its volume. At the first start, it is one in which the cluster is formed already, but for addresses.
umask 077
cd /data
own=$(hostname -i)
own=${own%% *}
{
  printf '%s\nport %s\ncluster-announce-ip %s\n' "$CONF" "$PORT" "$own"
  # Clients get the name, because the address may change.
  printf 'cluster-announce-hostname %s\ncluster-preferred-endpoint-type hostname\n' "$(hostname)"
{PASSWORD}} > redis.conf
# At every start, whatever addresses the others had are forgotten: where nothing listens, no foreign node answers.
[ -e nodes.conf ] || printf '%s' "$NODES" > nodes.conf
while read -r id address flags rest; do
  case $address in
    *@*,*) address="{NOWHERE},${address#*,}" ;;
    *@*) address={NOWHERE} ;;
  esac
  case $id$flags in
    "$ID"myself*) ;;
    "$ID"*) flags="myself,$flags" ;;
  esac
  echo "$id $address $flags $rest"
done < nodes.conf > nodes.conf.new
mv nodes.conf.new nodes.conf

# The node asks those whose addresses it does not know, by their names, to meet it at its own. A node that is not there
# yet will ask the same when it comes.
introduce() {
  printf '%s\n' "$1" | while read -r id address rest; do
    case $address in {NOWHERE}* | :0@*) ;; *) continue ;; esac
    printf '%s\n' "$PEERS" | while read -r peer name at; do
      [ "$peer" = "$id" ] || continue
      {CLIENT} -h "$name" -p "$at" cluster meet "$own" "$PORT" </dev/null >/dev/null 2>&1 || true
    done
  done
}
(
  while :; do
    known=$({CLIENT} -p "$PORT" cluster nodes </dev/null 2>/dev/null) || known=
    case $known in
      *" {NOWHERE}"* | *" :0@"*) introduce "$known" ;;
      *myself*) break ;;
    esac
    sleep 1
  done
) &
exec {SERVER} /data/redis.conf
