-- Requests with one Authorization header after the other from a file, and the result as a line of JSON.

local requests = {}
local position = 0

function init(arguments)
   for value in io.lines(arguments[1]) do
      requests[#requests + 1] = wrk.format("GET", nil, { ["Authorization"] = value })
   end
end

function request()
   position = position % #requests + 1
   return requests[position]
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '\nRESULT {"requests": %d, "microseconds": %d, "errors": %d, "p50": %d, "p99": %d}\n',
      summary.requests, summary.duration,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout,
      latency:percentile(50), latency:percentile(99)))
end
