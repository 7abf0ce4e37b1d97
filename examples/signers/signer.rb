#!/usr/bin/env ruby
# Signs one request with tower-hmac's native scheme, sends it and verifies the signed answer. Needs Ruby 2.7 only.
#   KEY_HEX=<secret in hex> [URL=http://127.0.0.1:3000/echo] [KEY_ID=svc-a] [METHOD=POST] ruby signer.rb [body]
# http URLs only: a loopback demo. Exit status: 0 a 2xx with a valid signature, 1 anything else, 2 wrong usage.
require "net/http"
require "openssl"
require "securerandom"

usage = ->(message) { warn "signer.rb: #{message}"; exit 2 }

def sign(*lines)
  OpenSSL::HMAC.hexdigest("SHA256", [ENV["KEY_HEX"]].pack("H*"), lines.map { |line| line.to_s.b }.join("\n"))
end

def same?(one, other) # in constant time; Ruby 2.7 has no OpenSSL.fixed_length_secure_compare
  return false unless one.bytesize == other.bytesize
  return one.bytes.zip(other.bytes).sum { |x, y| x ^ y }.zero? if RUBY_VERSION < "3"
  OpenSSL.fixed_length_secure_compare(one, other)
end

def verdict(answer, *request)
  names = %w[x-hmac-timestamp content-type content-encoding location x-hmac-content-sha256 x-hmac-signature]
  fields = names.map { |name| (answer.get_fields(name) || []).map { |value| value.b.gsub(/\A[ \t]+|[ \t]+\z/, "") } }
  return "missing" if fields.last.empty?
  return "invalid" if fields.any? { |values| values.size > 1 || values == [""] } # repeated or empty
  timestamp, type, encoding, location, claimed, given = fields.map { |values| values.first.to_s }
  digest = OpenSSL::Digest::SHA256.hexdigest(answer.body.to_s)
  return "invalid" unless timestamp.match?(/\A[1-9][0-9]{9}\z/) && claimed == digest
  mac = sign("HMAC-SHA256-V1-RESPONSE", *request, timestamp, answer.code, type, encoding, location, digest)
  same?(given, "v1=#{mac}") ? "valid" : "invalid"
end

ENV["KEY_HEX"].to_s.match?(/\A(\h\h){16,}\z/) or
  usage.call("KEY_HEX is required: the secret key in hex, 16 bytes at least")
key_id, method, body = ENV.fetch("KEY_ID", "svc-a"), ENV.fetch("METHOD", "POST"), ARGV[0] || '{"to":"bob","amount":10}'
%r{\Ahttp://(?<host>[^/?#@\s]+)(?![^/?#])/?(?<path>[^#\s]*)(#|\z)} =~ ENV.fetch("URL", "http://127.0.0.1:3000/echo") or
  usage.call("URL must be http://host...")
authority, target, type, digest = host.downcase, "/#{path}", "application/json", OpenSSL::Digest::SHA256.hexdigest(body)
timestamp, nonce = Time.now.to_i.to_s, SecureRandom.urlsafe_base64(16)
signature = sign("HMAC-SHA256-V1-REQUEST", key_id, timestamp, nonce, method, authority, target, type, nil, digest)
request = Net::HTTPGenericRequest.new(method, true, method != "HEAD", target,
  "Host" => authority, "Content-Type" => type, "Accept-Encoding" => "identity", # so that it decodes nothing
  "X-Hmac-Key-Id" => key_id, "X-Hmac-Timestamp" => timestamp, "X-Hmac-Nonce" => nonce,
  "X-Hmac-Content-Sha256" => digest, "X-Hmac-Signature" => "v1=#{signature}")
server = URI("http://#{authority}") # and below nil for no proxy; a retry would be refused as a replay
answer = Net::HTTP.start(server.hostname, server.port, nil, max_retries: 0) { |http| http.request(request, body) }
result = verdict(answer, key_id, signature)
puts "status #{answer.code}", "response signature #{result}"
exit answer.code.start_with?("2") && result == "valid"
