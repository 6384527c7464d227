import { hostname } from 'node:os'
import type { Call } from '../http/serve.ts'

const PRIVATE_IP = /^(?:127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|0\.0\.0\.0$|::1?$|f[cd])/i
const LOCAL_NAME = /^(?:localhost|.+\.(?:localhost|local|internal))$/i

/** Ollama on loopback answers only to a name of this machine: its defence against DNS rebinding. */
function hostIsLocal(header: string): boolean {
  const host = (/^\[(.+)\](?::\d+)?$/.exec(header)?.[1] ?? header.replace(/:\d+$/, '')).toLowerCase()
  return host === '' || PRIVATE_IP.test(host) || LOCAL_NAME.test(host) || host === hostname().toLowerCase()
}

const LOCAL_ORIGIN = /^(?:https?:\/\/(?:localhost|127\.0\.0\.1|0\.0\.0\.0)(?::\d+)?|(?:app|file|tauri|vscode-webview|vscode-file):\/\/.*)$/i

/** What Ollama's CORS and host checks do before any route. True when the request may go on. */
export function passesManners({ req, res }: Call): boolean {
  const { origin, host = '' } = req.headers
  if (origin !== undefined) {
    if (!LOCAL_ORIGIN.test(origin) && origin !== `http://${host}` && origin !== `https://${host}`) {
      res.writeHead(403, { 'content-length': 0 }).end()
      return false
    }
    res.setHeader('access-control-allow-origin', origin)
    res.setHeader('vary', 'Origin')
  }
  if (!hostIsLocal(host)) {
    res.writeHead(403, { 'content-length': 0 }).end()
    return false
  }
  if (req.method === 'OPTIONS') {
    res.writeHead(204, { 'access-control-allow-methods': 'GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS' }).end()
    return false
  }
  return true
}
