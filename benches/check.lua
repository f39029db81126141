-- Load for `make bench`: each request carries the next of the tokens in the file that TOKENS names.
local tokens = {}
local at = 0

function init()
    for line in io.lines(os.getenv("TOKENS")) do tokens[#tokens + 1] = line end
end

function request()
    at = at % #tokens + 1
    return wrk.format("GET", "/check?scope=read:users", { ["Authorization"] = "Bearer " .. tokens[at] })
end

function done(summary, latency)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.timeout
    io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration, errors.status, failed,
        latency:percentile(50), latency:percentile(99)))
end
