-- Asks Postern whether a request may pass: http-request lua.postern SCHEME NAMES, where NAMES are the headers that the application
-- gets of the answer, with commas between them. A name with ! before it is taken away in any case.
local gate = "http://{{gate}}/gate/verify"

-- The client's own of these never reach Postern: they are written here, or of the connection.
local never = {
    ["host"] = true, ["connection"] = true, ["keep-alive"] = true, ["content-length"] = true,
    ["transfer-encoding"] = true, ["te"] = true, ["trailer"] = true, ["expect"] = true,
    ["x-forwarded-method"] = true, ["x-forwarded-proto"] = true, ["x-forwarded-host"] = true,
    ["x-forwarded-uri"] = true, ["x-forwarded-for"] = true,
    ["x-original-method"] = true, ["x-original-url"] = true,
}

local to_client = { "location", "set-cookie", "content-type", "cache-control", "www-authenticate" }

local function refuse(txn, status)
    local reply = txn:reply({ status = status })
    txn:done(reply)
end

core.register_action("postern", { "http-req" }, function(txn, scheme, names)
    local headers = {}
    local host
    for name, values in pairs(txn.http:req_get_headers()) do
        if name == "host" then
            host = values
        end
        if not never[name] then
            headers[name] = values
        end
    end
    if host == nil or host[1] ~= nil then
        return refuse(txn, 400)
    end
    headers["x-forwarded-method"] = { txn.sf:method() }
    headers["x-forwarded-proto"] = { scheme }
    headers["x-forwarded-host"] = { host[0] }
    headers["x-forwarded-uri"] = { txn.sf:pathq() }
    headers["x-forwarded-for"] = { txn.sf:src() }

    local asked, answer = pcall(function()
        return core.httpclient():get({ url = gate, headers = headers, timeout = 5000 })
    end)
    if not asked or answer == nil or answer.status == nil or answer.status == 0 then
        return refuse(txn, 503)
    end
    if answer.status == 200 then
        for name in string.gmatch(names, "[^,]+") do
            local taken_away = string.sub(name, 1, 1) == "!"
            local plain = taken_away and string.sub(name, 2) or name
            local values = answer.headers[string.lower(plain)]
            txn.http:req_del_header(plain)
            if values ~= nil and not taken_away then
                txn.http:req_set_header(plain, values[0])
            end
        end
        return
    end
    if answer.status >= 200 and answer.status < 300 then
        return refuse(txn, 503)
    end
    local reply = txn:reply({ status = answer.status })
    for _, name in ipairs(to_client) do
        local values = answer.headers[name]
        if values ~= nil then
            reply:add_header(name, values[0])
        end
    end
    reply:set_body(answer.body or "")
    txn:done(reply)
end, 2)
