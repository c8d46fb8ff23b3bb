-- Asks Latchkey whether a request may pass. For docs/gateways/haproxy.cfg.

-- The name is never looked up: the request goes to haproxy.cfg's frontend latchkey.
local VERIFY = "http://latchkey/api/v1/verify"
local FRONTEND = "abns@latchkey"
local TIMEOUT_MS = 15000
-- X-Latchkey-Expires is only in the answer if the key ends soon.
local IDENTITY =
    { "x-latchkey-key", "x-latchkey-project", "x-latchkey-user", "x-latchkey-scopes", "x-latchkey-expires" }
-- haproxy.cfg tells the client of these, if the key has limits.
local LIMITS = { ["ratelimit"] = "txn.latchkey_limit", ["ratelimit-policy"] = "txn.latchkey_policy" }
local REFUSALS = { [401] = true, [403] = true, [422] = true, [429] = true, [503] = true }
-- What a refusal consists of, besides its status and body.
local RELAYED = {
    "content-type",
    "www-authenticate",
    "retry-after",
    "ratelimit",
    "ratelimit-policy",
    "cache-control",
    "x-request-id",
}

-- HAProxy's lists of values start at 0.
local function first(headers, name)
    return headers and headers[name] and headers[name][0]
end

-- A header that came twice is one with both values (RFC 9110, 5.2), which is no key.
local function joined(values)
    local list = { values[0] }
    for _, value in ipairs(values) do
        list[#list + 1] = value
    end
    return table.concat(list, ", ")
end

local function ask(txn)
    local sent = {
        ["x-original-method"] = { txn.f:method() },
        ["x-forwarded-for"] = { txn.f:src() },
        ["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" },
    }
    local authorization = txn.http:req_get_headers()["authorization"]
    if authorization then
        -- Latchkey's server reads no header with a control character in it, except a tab. Of that it says what is wrong.
        sent["authorization"] = { (joined(authorization):gsub("%c", "\t")) }
    end
    local url = VERIFY .. (txn:get_var("txn.latchkey_needs") or "")
    return core.httpclient():get({ url = url, dst = FRONTEND, headers = sent, timeout = TIMEOUT_MS })
end

local function refuse(txn, answer)
    local reply = txn:reply({ status = answer.status, body = answer.body })
    for _, name in ipairs(RELAYED) do
        local value = first(answer.headers, name)
        if value then
            reply:add_header(name, value)
        end
    end
    txn:done(reply)
end

core.register_action("latchkey", { "http-req" }, function(txn)
    local answer = ask(txn)
    if answer.status == 204 and first(answer.headers, IDENTITY[1]) then
        for _, name in ipairs(IDENTITY) do
            local value = first(answer.headers, name)
            if value then
                txn.http:req_set_header(name, value)
            end
        end
        for name, variable in pairs(LIMITS) do
            local value = first(answer.headers, name)
            if value then
                txn:set_var(variable, value)
            end
        end
        txn:set_var("txn.latchkey", "passed")
    elseif REFUSALS[answer.status] then
        -- HAProxy itself answers 503, in HTML, for a server that it cannot reach; haproxy.cfg has a better answer.
        if first(answer.headers, "content-type") == "application/json" then
            refuse(txn, answer)
        end
    end
end)
