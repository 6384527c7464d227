-- Prints one line of JSON for the bench. No `response` hook: it would cost wrk more than the fastest rivals take to answer. Statuses are counted by wrk
-- itself (errors.status is everything from 400 up), and the bench compares the bytes read with the length of an answer it has looked at.
wrk.method = 'POST'
wrk.body = os.getenv('BENCH_BODY')

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"us":%d,"bytes":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d,"p50us":%d,"p99us":%d}\n',
    summary.requests, summary.duration, summary.bytes, e.connect, e.read, e.write, e.status, e.timeout, latency:percentile(50), latency:percentile(99)
  ))
end
