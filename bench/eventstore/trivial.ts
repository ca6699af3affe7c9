/**
 * The ceiling: a server that does nothing but send the same bytes, from memory, to whoever reads. Its own process; the messages come
 * from a file, and the port goes to the parent.
 */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'

const messages = readFileSync(process.argv[2]!)
const part = 64 * 1024
const server = createServer()
server.on('stream', (stream) => {
  stream.on('error', () => stream.destroy())
  stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
  let at = 0
  const send = (): void => {
    while (at < messages.length) {
      const piece = messages.subarray(at, at + part)
      at += part
      if (!stream.write(piece)) return
    }
    stream.end()
  }
  stream.on('drain', send)
  stream.resume()
  send()
})
server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }))
process.on('disconnect', () => process.exit(0))
