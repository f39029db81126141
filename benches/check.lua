-- Load for `make bench`: each request carries the next of the tokens in the file that TOKENS names. They are written out
-- once, before the clock runs, so that the load costs the machine as little as it can.
local requests = {}
local at = 0

function init()
    local shape = wrk.format("GET", "/check?scope=read:users", { ["Host"] = wrk.headers["Host"], ["Authorization"] = "Bearer @" })
    local head, tail = shape:match("^(.*)@(.*)$")
    for token in io.lines(os.getenv("TOKENS")) do requests[#requests + 1] = head .. token .. tail end
end

function request()
    at = at % #requests + 1
    return requests[at]
end

-- Answers above 399 count as status errors.
function done(summary, latency)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.timeout
    io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration, errors.status, failed,
        latency:percentile(50), latency:percentile(99)))
end
