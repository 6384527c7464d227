// The gateway as Hono's documentation would have it: the framework's own proxy helper, which goes through fetch and web streams.
import { Hono } from 'hono'
import { proxy } from 'hono/proxy'
import { serve } from 'hono-node-server'

const { PORT, BACKEND } = process.env
const app = new Hono()
app.all('*', (c) => proxy(`${BACKEND}${c.req.path}`, c.req))
serve({ fetch: app.fetch, port: Number(PORT), hostname: '127.0.0.1' })
