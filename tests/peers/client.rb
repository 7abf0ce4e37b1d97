# Callers of two hand-made formats, with net/http: client.rb FORMAT URL. Prints the status and the body. With ALTER set,
# something else is sent than was signed.

require "json"
require "net/http"
require "openssl"

kind, url = ARGV
uri = URI(url)
request = Net::HTTP::Post.new(uri.request_uri)
case kind
when "members"
  address, time = "12:34:56:78:9a:bc", Time.now.to_i
  request["X-HMAC-Signature"] = OpenSSL::HMAC.hexdigest("SHA256", ENV.fetch("SECRET"), "#{address}:#{time}")
  request.content_type = "application/json"
  time += 1 if ENV.key?("ALTER")
  request.body = JSON.generate(mac_address: address, timestamp: time)
when "token"
  # Milliseconds, and the time itself as nonce.
  time = (Time.now.to_f * 1000).to_i / 1000.0
  signed = "#{ENV.fetch("KEY_ID")}:#{time}:#{time}:"
  key = ENV.fetch("SECRET").unpack1("m0")
  signature = [OpenSSL::HMAC.digest("SHA256", key, signed)].pack("m0")
  request["Authorization"] = "Hmac #{ENV.fetch("KEY_ID")}:#{time}:#{ENV.key?("ALTER") ? "1" : ""}#{time}:#{signature}"
end
answer = Net::HTTP.start(uri.host, uri.port, read_timeout: 10) { |http| http.request(request) }
puts "#{answer.code} #{answer.body.strip}"
