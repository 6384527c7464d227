import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tool } from '../../scripts/tools.mjs'
import { scratch } from '../lib/cleanup.mjs'
import { BENCH_CORE, freePort, start } from '../lib/processes.mjs'

/** Both an Ollama answer and an OpenAI one, so that every rival, whichever it must believe it speaks to, carries the same bytes. */
export const ANSWER = JSON.stringify({
  model: 'bench',
  created_at: '2026-01-01T00:00:00.000000Z',
  response: 'The gate was lowered before the riders had come within a bowshot of the wall, and nobody who knew the place wondered at it.',
  done: true,
  done_reason: 'stop',
  total_duration: 412000000,
  load_duration: 1200000,
  prompt_eval_count: 26,
  eval_count: 31,
  id: 'chatcmpl-bench',
  object: 'chat.completion',
  created: 1767225600,
  choices: [{ index: 0, message: { role: 'assistant', content: 'The gate was lowered before the riders came.' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 26, completion_tokens: 31, total_tokens: 57 },
})

/** Likewise a question in both languages. */
export const QUESTION = JSON.stringify({
  model: 'bench',
  prompt: 'Why was the gate lowered?',
  messages: [{ role: 'user', content: 'Why was the gate lowered?' }],
  stream: false,
})

const KEEP = 'keepalive_requests 1000000000; keepalive_timeout 1h;'

const configuration = (
  home,
  http,
) => `daemon off; master_process off; worker_processes 1; pid ${home}/nginx.pid; error_log ${home}/error.log error;
events { worker_connections 8192; }
http {
  access_log off; ${KEEP}
  client_body_temp_path ${home}/body; proxy_temp_path ${home}/proxy; fastcgi_temp_path ${home}/fastcgi; uwsgi_temp_path ${home}/uwsgi; scgi_temp_path ${home}/scgi;
  ${http}
}
`

export async function startNginx(name, core, port, http) {
  const nginx = tool('nginx')
  if (nginx.missing) throw new Error(nginx.missing)
  const home = scratch('nginx')
  const file = join(home, 'nginx.conf')
  writeFileSync(file, configuration(home, http))
  const args = [...nginx.args, '-e', join(home, 'error.log'), '-p', home, '-c', file]
  return start({ name, command: nginx.path, args, env: nginx.env, port, core })
}

/** The fastest backend there is, so that what stands before it is what gets measured. */
export async function startSmallBackend() {
  const port = await freePort()
  const answer = `default_type application/json; return 200 '${ANSWER}';`
  return startNginx('backend', BENCH_CORE, port, `server { listen 127.0.0.1:${port} backlog=1024; location / { ${answer} } }`)
}
