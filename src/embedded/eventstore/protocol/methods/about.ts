import { randomUUID } from 'node:crypto'
import gossip from '@eventstore/db-client/generated/gossip_pb.js'
import features from '@eventstore/db-client/generated/serverfeatures_pb.js'
import shared from '@eventstore/db-client/generated/shared_pb.js'
import type { Handler } from '../call.js'

const streamsService = 'event_store.client.streams.streams'
const subscriptionsService = 'event_store.client.persistent_subscriptions.persistentsubscriptions'
/** The version whose behaviour is followed. */
export const serverVersion = '23.10.0'

const served: readonly (readonly [service: string, method: string, features: readonly string[]])[] = [
  [streamsService, 'read', ['position', 'events']],
  [streamsService, 'append', []],
  [streamsService, 'batchappend', []],
  [streamsService, 'delete', []],
  [streamsService, 'tombstone', []],
  // Not served, but the client would try HTTP/1.1 and fail obscurely if it thought that the calls don't exist.
  [subscriptionsService, 'getinfo', ['stream']],
  [subscriptionsService, 'list', ['stream']],
  [subscriptionsService, 'replayparked', ['stream']],
  [subscriptionsService, 'restartsubsystem', ['stream']],
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

/** A cluster of one. `endpoint` is asked for at each call: the port is known only once the node listens. */
export const readGossip = (endpoint: () => { host: string; port: number }, now: () => number): Handler => {
  const instance = new shared.UUID()
  instance.setString(randomUUID())
  return (call) => ({
    message: () => {
      const { host, port } = endpoint()
      const member = new gossip.MemberInfo()
      const at = new gossip.EndPoint()
      at.setAddress(host)
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
