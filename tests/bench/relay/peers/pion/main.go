// SPDX-License-Identifier: Apache-2.0

// A TURN server of pion/turn v2 (Debian: golang-github-pion-turn.v2-dev) for tests/bench/run: one user, UDP and TCP on
// one port, TLS on another when there is a certificate, relayed addresses of a range. It ends with SIGTERM.
package main

import (
	"crypto/tls"
	"flag"
	"log"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/pion/turn/v2"
)

func main() {
	address := flag.String("address", "127.0.0.1", "where to listen, and the relayed address")
	port := flag.Int("port", 3478, "UDP and TCP")
	tlsPort := flag.Int("tls-port", 0, "TLS; 0: none")
	cert := flag.String("cert", "", "PEM file of the certificate")
	key := flag.String("key", "", "PEM file of its key")
	realm := flag.String("realm", "bench", "realm")
	user := flag.String("user", "", "username")
	password := flag.String("password", "", "password")
	low := flag.Int("min-port", 10000, "relayed ports: the first")
	high := flag.Int("max-port", 31999, "relayed ports: the last")
	flag.Parse()

	relays := func() turn.RelayAddressGenerator {
		return &turn.RelayAddressGeneratorPortRange{
			RelayAddress: net.ParseIP(*address),
			Address:      *address,
			MinPort:      uint16(*low),
			MaxPort:      uint16(*high),
			MaxRetries:   1000,
		}
	}
	at := func(port int) string { return net.JoinHostPort(*address, strconv.Itoa(port)) }
	must := func(err error) {
		if err != nil {
			log.Fatal(err)
		}
	}

	udp, err := net.ListenPacket("udp", at(*port))
	must(err)
	tcp, err := net.Listen("tcp", at(*port))
	must(err)
	streams := []turn.ListenerConfig{{Listener: tcp, RelayAddressGenerator: relays()}}
	if *tlsPort != 0 {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		must(err)
		secured, err := tls.Listen("tcp", at(*tlsPort), &tls.Config{
			MinVersion:   tls.VersionTLS12,
			Certificates: []tls.Certificate{pair},
		})
		must(err)
		streams = append(streams, turn.ListenerConfig{Listener: secured, RelayAddressGenerator: relays()})
	}

	secret := turn.GenerateAuthKey(*user, *realm, *password)
	server, err := turn.NewServer(turn.ServerConfig{
		Realm: *realm,
		AuthHandler: func(username, _ string, _ net.Addr) ([]byte, bool) {
			return secret, username == *user
		},
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: udp, RelayAddressGenerator: relays()}},
		ListenerConfigs:   streams,
	})
	must(err)

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
	must(server.Close())
}
