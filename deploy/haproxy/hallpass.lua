-- Asks Hallpass about a request: http-request lua.hallpass "scope=read:users&audience=users-api"
-- Sets the identity headers and txn.hallpass = "allowed"; otherwise it answers the client itself.

local CHECK = "http://hallpass/check?"
local ADDRESS = "abns@hallpass" -- `listen hallpass` of haproxy.cfg, which has the timeouts and keeps connections
local CREDENTIALS = { "authorization", "x-api-key" } -- with the header of check.identity_header
local IDENTITY = { "authorization", "x-auth-subject", "x-auth-user", "x-auth-email", "x-auth-roles", "x-auth-scopes",
    "x-auth-token-id", "x-auth-method", "x-auth-expires", "x-auth-truncated" }
local RELAYED = { "www-authenticate", "retry-after", "content-type" }
local REFUSALS = { [401] = true, [403] = true, [429] = true, [503] = true }

local function ask(txn, requirement)
    local sent = txn.http:req_get_headers()
    local headers = { ["x-forwarded-for"] = { txn.f:src() } }
    for _, name in ipairs(CREDENTIALS) do
        headers[name] = sent[name] -- every line of it: two credentials are for Hallpass to refuse
    end
    return core.httpclient():get({ url = CHECK .. requirement, headers = headers, dst = ADDRESS })
end

local function allow(txn, response)
    for _, name in ipairs(IDENTITY) do
        local values = response.headers[name]
        txn.http:req_del_header(name) -- strip
        if values then txn.http:req_add_header(name, values[0]) end
    end
    txn:set_var("txn.hallpass", "allowed")
end

local function refuse(txn, response)
    local headers = REFUSALS[response.status] and response.headers or { ["retry-after"] = { [0] = "5" } }
    local reply = txn:reply({ status = REFUSALS[response.status] and response.status or 503 })
    reply:add_header("cache-control", "no-store")
    for _, name in ipairs(RELAYED) do
        if headers[name] then reply:add_header(name, headers[name][0]) end
    end
    reply:set_body(response.body or "")
    txn:done(reply)
end

core.register_action("hallpass", { "http-req" }, function(txn, requirement)
    local response = ask(txn, requirement)
    if response.status == 200 then allow(txn, response) else refuse(txn, response) end
end, 1)
