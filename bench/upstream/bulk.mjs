// A backend for large bodies: counts what is uploaded, sends as many bytes as it is asked for, and begins streams that it never goes on with.
import { createServer } from 'node:http'

const BLOCK = Buffer.alloc(64 * 1024, 'portcullis ')

async function count(request, response) {
  let bytes = 0
  for await (const chunk of request) bytes += chunk.length
  response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify({ bytes }))
}

function send(response, bytes) {
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes })
  let left = bytes
  const more = () => {
    while (left > 0) {
      const block = left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK
      left -= block.length
      if (!response.write(block)) return response.once('drain', more)
    }
    response.end()
  }
  more()
}

function silent(request, response) {
  request.resume()
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  response.write('{"model":"bench","created_at":"2026-01-01T00:00:00Z","response":" gate","done":false}\n')
}

createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://backend')
  if (pathname.startsWith('/api/blobs/')) void count(request, response)
  else if (pathname === '/bulk') send(response, Number(searchParams.get('bytes')))
  else if (request.method === 'POST') silent(request, response)
  else response.end('{"version":"0.0.0"}')
}).listen({ port: Number(process.env.PORT), host: '127.0.0.1', backlog: 4096 })
