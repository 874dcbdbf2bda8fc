-- Forward authentication for HAProxy: see haproxy.cfg.

-- What the service gets from the response of hookstream-keys.
local IDENTITY = { "x-key-id", "x-org-id", "x-env-id", "x-scopes" }

-- What the client gets from it, if the request is not authorized.
local REFUSAL = { "content-type", "www-authenticate", "retry-after", "x-request-id" }

-- What the authorization request has of the client's fields: no cookies.
local CREDENTIALS = { "x-api-key", "authorization" }

-- Longer values are no credentials.
local MAX_CREDENTIAL = 256

-- Answer the client; nothing of its request reaches the service.
local function refuse(txn, status, headers, body)
  txn:done(txn:reply({ status = status, headers = headers, body = body }))
end

core.register_action("authorize", { "http-req" }, function(txn, url)
  local received = txn.http:req_get_headers()
  local sent = { ["x-forwarded-for"] = { txn.f:src() } }
  for _, name in ipairs(CREDENTIALS) do
    -- Of a field that is repeated the first value counts; HAProxy numbers from 0.
    local value = received[name] and received[name][0]
    if value and #value <= MAX_CREDENTIAL then
      sent[name] = { value }
    end
  end

  local response = core.httpclient():get({ url = url, headers = sent, timeout = 5000 })
  local status = response and response.status or 0
  if status == 204 then
    for _, name in ipairs(IDENTITY) do
      txn.http:req_set_header(name, response.headers[name][0])
    end
    return
  end

  -- No response, or one that says nothing about the key.
  if status < 400 or (status > 499 and status ~= 503) then
    return refuse(txn, 503)
  end
  local headers = {}
  for _, name in ipairs(REFUSAL) do
    if response.headers[name] then
      headers[name] = { response.headers[name][0] }
    end
  end
  return refuse(txn, status, headers, response.body)
end, 1)
