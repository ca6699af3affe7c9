import { randomUUID } from 'node:crypto'
import gossip from '@eventstore/db-client/generated/gossip_pb.js'
import features from '@eventstore/db-client/generated/serverfeatures_pb.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import type { Handler } from '../call.js'

const streamsService = 'event_store.client.streams.streams'
const subscriptionsService = 'event_store.client.persistent_subscriptions.persistentsubscriptions'
const projectionsService = 'event_store.client.projections.projections'
/** The version whose behaviour is followed. */
export const serverVersion = '24.10.5'

const served: readonly (readonly [service: string, method: string, features: readonly string[]])[] = [
  [streamsService, 'read', ['position', 'events']],
  [streamsService, 'append', []],
  [streamsService, 'batchappend', []],
  [streamsService, 'delete', []],
  [streamsService, 'tombstone', []],
  // Not served, and answered so at once. A client that did not find them here would say that they need a newer server, or try HTTP/1.1.
  [subscriptionsService, 'create', ['stream', 'all']],
  [subscriptionsService, 'update', ['stream', 'all']],
  [subscriptionsService, 'delete', ['stream', 'all']],
  [subscriptionsService, 'read', ['stream', 'all']],
  [subscriptionsService, 'getinfo', ['stream', 'all']],
  [subscriptionsService, 'list', ['stream', 'all']],
  [subscriptionsService, 'replayparked', ['stream', 'all']],
  [subscriptionsService, 'restartsubsystem', []],
  [projectionsService, 'create', ['track_emitted_streams']],
]

export const supportedMethods = (): Handler => {
  const answer = new features.SupportedMethods()
  answer.setEventStoreServerVersion(serverVersion)
  for (const [service, method, names] of served) {
    const supported = new features.SupportedMethod()
    supported.setServiceName(service)
    supported.setMethodName(method)
    supported.setFeaturesList([...names])
    answer.addMethods(supported)
  }
  const bytes = answer.serializeBinary()
  return (call) => ({
    message: () => {
      call.send(bytes)
      call.end()
    },
  })
}

export type Endpoint = { readonly host: string; readonly port: number }

/** The addresses that stand for every one that the machine has. */
const isWildcard = (host: string): boolean => host === '' || host === '0.0.0.0' || /^[0:]+$/.test(host)

/**
 * A cluster of one. `endpoint` is asked for at each call: the port is known only once the node listens. A node that listens everywhere
 * names the address at which it was asked.
 */
export const readGossip = (endpoint: () => Endpoint, now: () => number): Handler => {
  const instance = new shared.UUID()
  instance.setString(randomUUID())
  return (call) => ({
    message: () => {
      const { host, port } = endpoint()
      const member = new gossip.MemberInfo()
      const at = new gossip.EndPoint()
      at.setAddress(isWildcard(host) ? (call.localAddress ?? host).replace(/^::ffff:(?=\d+\.)/, '') : host)
      at.setPort(port)
      member.setInstanceId(instance)
      // 100-nanosecond ticks since the year 1.
      member.setTimeStamp(`${BigInt(now()) * 10_000n + 621_355_968_000_000_000n}`)
      member.setState(gossip.MemberInfo.VNodeState.LEADER)
      member.setIsAlive(true)
      member.setHttpEndPoint(at)
      const answer = new gossip.ClusterInfo()
      answer.addMembers(member)
      call.send(answer.serializeBinary())
      call.end()
    },
  })
}
