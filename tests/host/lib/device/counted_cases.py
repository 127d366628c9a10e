"""Counted sockets against real ones: `micropython counted_cases.py CASE`, ports in peers.json.

Prints what the case has to tell as JSON, then "ok"; or a traceback.
"""

import gc
import json
import select
import sys
from check import equal, raises
from proc_root import connections, ports
from linkpulse.collect import counted
from linkpulse.collect.counted import socket_proxy
from linkpulse.collect.counted.ledger import CONNECTED, ENDED, FREE, HANDED_ON
from linkpulse.sample.sockets import SocketTable

if sys.argv[1] == "who_imported_socket_before":
    import linkpulse.session.tls_stream

    equal(hasattr(linkpulse.session.tls_stream.socket, "sockaddr"), True)
ledger = counted.install(8)
import socket

real = socket_proxy._real
with open("peers.json") as f:
    peers = json.load(f)
collector = counted.Collector(True)
table = SocketTable()


def address(name, host="127.0.0.1"):
    return real.getaddrinfo(host, peers[name])[0][-1]


def dial(name="echo"):
    s = socket.socket()
    s.connect(address(name))
    return s


def totals():
    """Bytes and packets in, bytes and packets out."""
    t = ledger.totals()
    return [t[i] | t[i + 1] << 24 for i in range(0, 8, 2)]


def seen():
    """(remote ends, TCP ports, UDP ports) of a sample."""
    collector.sockets(table)
    found = [row[0] for row in connections(table)]
    return found, [p for p, _ in ports(table, table.tcp_ports)], [p for p, _ in ports(table, table.udp_ports)]


def end(name, host="127.0.0.1"):
    return "%s:%d" % (host, peers[name])


def number(kind):
    return len([i for i in range(ledger.capacity) if ledger.kind(i) == kind])


def exactly(s, n):
    data = b""
    while len(data) < n:
        data += s.recv(n - len(data))
    return data


def server(name="free"):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(address(name))
    s.listen(2)
    return s


def wait(s, flags):
    poller = select.poll()
    poller.register(s, flags)
    found = poller.poll(5000)
    assert found, "nothing to poll"
    equal(found[0][0], s)
    return found[0][1]


def case_connect_send_recv():
    s = dial()
    equal(s.send(b"hello"), 5)
    equal(exactly(s, 5), b"hello")
    equal(totals(), [5, 1, 5, 1])
    equal(seen(), ([end("echo")], [], []))
    s.close()
    s.close()
    equal(number(CONNECTED), 0)


def case_sendall_and_estimated_packets():
    s = dial()
    s.sendall(b"x" * 3000)
    equal(len(exactly(s, 3000)), 3000)
    t = totals()
    equal((t[0], t[2], t[3]), (3000, 3000, 3))
    assert 3 <= t[1] <= 6, t  # as many as it was read in pieces, at the most
    s.close()


def case_read_write_readline_readinto():
    s = dial()
    equal(s.write(b"one\ntwo\nthree"), 13)
    equal(s.readline(), b"one\n")
    equal(s.read(4), b"two\n")
    buf = bytearray(5)
    equal(s.readinto(buf), 5)
    equal(buf, b"three")
    equal(s.write(b"abcd", 2), 2)
    equal(s.write(bytearray(b"cd")), 2)
    equal(s.readinto(buf, 4), 4)
    equal((totals()[0], totals()[2]), (17, 17))
    s.close()


def case_read_to_the_end():
    s = dial("lines")
    equal(s.read(), b"one\ntwo\n")
    equal(s.read(1), b"")
    equal(s.recv(1), b"")
    equal(totals()[0], 8)
    s.close()


def case_makefile():
    s = dial()
    f = s.makefile("rwb", 0)
    f.write(b"line\n")
    equal(f.readline(), b"line\n")
    equal(totals()[::2], [5, 5])
    f.close()
    equal(number(CONNECTED), 0)


def case_context_manager():
    with dial() as s:
        s.send(b"x")
        equal(number(CONNECTED), 1)
    equal((number(CONNECTED), number(ENDED)), (0, 1))


def case_accept():
    listener = server()
    equal(seen(), ([], [peers["free"]], []))
    client = real.socket()
    client.connect(address("free"))
    s, where = listener.accept()
    equal(socket.sockaddr(where)[0], socket.AF_INET)
    client.send(b"abc")
    equal(exactly(s, 3), b"abc")
    equal(s.send(b"defg"), 4)
    equal(totals()[::2], [3, 4])
    collector.sockets(table)
    ((remote, local, _),) = connections(table)
    assert remote.startswith("127.0.0.1:")
    equal(local, peers["free"])
    s.close()
    listener.close()
    client.close()
    equal(seen()[1], [])


def case_udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(address("free"))
    equal(seen(), ([], [], [peers["free"]]))
    equal(s.sendto(b"hello", address("udp")), 5)
    data, where = s.recvfrom(100)
    equal(data, b"hello")
    equal(socket.sockaddr(where)[2], peers["udp"])
    equal(totals(), [5, 1, 5, 1])
    s.sendto(b"x" * 3000, address("udp"))
    equal(len(s.recv(4000)), 3000)
    equal(totals(), [3005, 2, 3005, 2])  # a datagram is one packet
    s.connect(address("udp"))
    equal(seen(), ([], [], []))
    s.send(b"yy")
    equal(s.recv(9), b"yy")
    s.close()


def case_timeouts():
    s = dial("silent")
    s.settimeout(0.05)
    for read in (s.recv, s.read, s.readinto):
        e = raises(OSError, read, bytearray(1) if read == s.readinto else 1)
        assert abs(e.errno) in (110, 116, 11), e
    s.settimeout(None)
    s.setblocking(False)
    equal(s.read(1), None)
    equal(s.readinto(bytearray(1)), None)
    raises(OSError, s.recv, 1)
    equal(totals(), [0, 0, 0, 0])
    s.close()


def case_a_connection_that_is_being_made():
    s = socket.socket()
    s.setblocking(False)
    e = raises(OSError, s.connect, address("echo"))
    equal(e.errno, 115)
    equal(seen(), ([], [], []))
    equal(wait(s, select.POLLOUT), select.POLLOUT)
    equal(seen(), ([end("echo")], [], []))
    s.send(b"x")
    equal(wait(s, select.POLLIN), select.POLLIN)
    equal(s.recv(9), b"x")
    s.close()
    # Nobody polled: the first byte tells.
    s = socket.socket()
    s.setblocking(False)
    raises(OSError, s.connect, address("lines"))
    raw = select.poll()
    raw.register(s._s, select.POLLIN)
    assert raw.poll(5000)
    equal(number(CONNECTED), 0)
    equal(s.read(4), b"one\n")
    equal(number(CONNECTED), 1)
    s.close()


def case_a_connection_that_is_refused_is_none():
    s = socket.socket()
    e = raises(OSError, s.connect, address("refused"))
    equal(e.errno, 111)
    s.close()
    s = socket.socket()
    s.setblocking(False)
    raises(OSError, s.connect, address("refused"))
    assert wait(s, select.POLLOUT) & (select.POLLERR | select.POLLHUP)
    raises(OSError, s.send, b"x")
    s.close()
    equal(number(FREE), ledger.capacity)


def case_reset_is_raised():
    for act in (lambda s: s.recv(1), lambda s: s.read(1), lambda s: s.readline(), lambda s: s.readinto(bytearray(5))):
        s = dial("reset")
        s.write(b"x")
        e = raises(OSError, act, s)
        equal(e.errno, 104)
        s.close()
        raises(OSError, s.write, bytearray(b"xxxxxx"))  # closed
    equal(seen()[0], [end("reset")])
    equal([ledger.hits(i) for i in range(ledger.capacity) if ledger.kind(i) == HANDED_ON], [4])


def case_poll():
    listener = server()
    client = real.socket()
    client.connect(address("free"))
    equal(wait(listener, select.POLLIN), select.POLLIN)
    s, _ = listener.accept()
    poller = select.poll()
    poller.register(s, select.POLLIN)
    poller.register(client, select.POLLIN)
    equal(poller.poll(0), [])
    poller.modify(s, select.POLLIN | select.POLLOUT)
    equal([(x[0] == s, x[1]) for x in poller.poll(0)], [(True, select.POLLOUT)])
    client.send(b"x")
    equal(wait(s, select.POLLIN), select.POLLIN)
    client.close()
    assert wait(s, select.POLLIN) & select.POLLIN
    poller.unregister(s)
    s.close()


def case_asyncio():
    import asyncio

    async def serve(reader, writer):
        data = await reader.readline()
        writer.write(b"<" + data)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main():
        running = await asyncio.start_server(serve, "127.0.0.1", peers["free"])
        equal(seen()[1], [peers["free"]])
        reader, writer = await asyncio.open_connection("127.0.0.1", peers["free"])
        writer.write(b"hello\n")
        await writer.drain()
        equal(await reader.readexactly(7), b"<hello\n")
        equal(await reader.read(1), b"")
        writer.close()
        await writer.wait_closed()
        reader, writer = await asyncio.open_connection("127.0.0.1", peers["echo"])
        await writer.awrite(b"x") if hasattr(writer, "awrite") else writer.write(b"x")
        await writer.drain()
        equal(await reader.read(9), b"x")
        equal(seen()[0].count(end("echo")), 1)
        writer.close()
        await writer.wait_closed()
        _, writer = await asyncio.open_connection("127.0.0.1", peers["refused"])
        equal(raises(OSError, writer.write, b"x").errno, 111)
        writer.close()
        running.close()
        await running.wait_closed()

    asyncio.run(main())
    equal(totals()[::2], [14, 14])
    equal(number(CONNECTED), 0)
    equal(seen()[1], [])


def secured(name):
    import tls

    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_NONE
    s = dial(name)
    s.setsockopt(6, 1, 1)  # TCP_NODELAY: each handshake waited 40 ms for an ACK
    try:
        return s, context.wrap_socket(s)
    except OSError:
        s.close()
        raise


def case_tls():
    s, t = secured("tls")
    t.write(b"hello\n")
    equal(t.readline(), b"hello\n")
    t.write(b"x" * 20000)
    data = b""
    while len(data) < 20000:
        data += t.read(20000 - len(data))
    poller = select.poll()
    poller.register(t, select.POLLIN | select.POLLOUT)
    equal(poller.poll(1000)[0][1], select.POLLOUT)
    t.close()
    equal(number(CONNECTED), 0)
    print(json.dumps(totals()))


def case_tls_without_blocking():
    import tls

    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_NONE
    s = dial("tls")
    s.setblocking(False)
    t = context.wrap_socket(s, do_handshake_on_connect=False)
    poller = select.poll()
    poller.register(t, select.POLLIN)
    out = b"hello\n"
    data = b""
    while len(data) < 6:
        if out and t.write(out):
            out = b""
            poller.modify(t, select.POLLIN)
        assert poller.poll(5000)
        data += t.read(6) or b""
    equal(data, b"hello\n")
    t.close()
    print(json.dumps(totals()))


def case_tls_server():
    import asyncio
    import tls

    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    with open(peers["cert"], "rb") as cert, open(peers["key"], "rb") as key:
        context.load_cert_chain(cert.read(), key.read())
    client = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    client.verify_mode = tls.CERT_NONE

    async def serve(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main():
        running = await asyncio.start_server(serve, "127.0.0.1", peers["free"], ssl=context)
        reader, writer = await asyncio.open_connection("127.0.0.1", peers["free"], ssl=client)
        writer.write(b"hello\n")
        await writer.drain()
        equal(await reader.readline(), b"hello\n")
        writer.close()
        await writer.wait_closed()
        running.close()
        await running.wait_closed()

    asyncio.run(main())
    t = totals()
    assert t[0] > 1000 and abs(t[0] - t[2]) < 100, t  # both ends are here


def case_errors_under_tls():  # noqa: C901
    # In the handshake and after it, 200 times each; what is left behind is measured on the Python heap and, as mbedTLS
    # takes its memory elsewhere on this port, in the size of the process.
    def memory():
        gc.collect()
        with open("/proc/self/statm") as f:
            return gc.mem_alloc(), int(f.read().split()[1]) * 4

    def handshake():
        e = raises(OSError, secured, "reset")
        assert abs(e.errno) == 104, e

    def later():
        s, t = secured("tlsreset")
        t.write(b"x")
        e = raises(OSError, t.read, 1)
        assert abs(e.errno) == 104, e
        raises(OSError, t.write, b"y" * 100)
        t.close()

    def timeout():
        s, t = secured("tls")
        s.settimeout(0.001)
        e = raises(OSError, t.read, 1)
        assert abs(e.errno) in (110, 116), e
        t.close()

    def dropped():
        secured("tls")
        gc.collect()  # TLS's own finaliser closes the counted socket

    result = {}
    for work, times in ((handshake, 200), (later, 200), (timeout, 20), (dropped, 20)):
        for _ in range(10):
            work()
        heap, process = memory()
        for _ in range(times):
            work()
        heap2, process2 = memory()
        result[str(work).split()[1]] = (heap2 - heap, process2 - process)
    assert number(CONNECTED) <= 1, number(CONNECTED)  # the last one's end may still be on the stack
    print(json.dumps(result))


def case_umqtt():
    from umqtt.simple import MQTTClient

    got = []
    client = MQTTClient("me", "127.0.0.1", peers["mqtt"], keepalive=60)
    client.set_callback(lambda topic, data: got.append((topic, data)))
    client.connect()
    client.subscribe(b"a/b")
    client.publish(b"a/b", b"hello", qos=1)
    client.wait_msg()
    equal(got, [(b"a/b", b"hello")])
    client.ping()
    client.check_msg()
    equal(seen()[0], [end("mqtt")])
    client.disconnect()
    equal(number(CONNECTED), 0)
    print(json.dumps(totals()))


def case_requests():
    try:
        import requests
    except ImportError:
        print('"no requests here"')
        return
    r = requests.get("http://127.0.0.1:%d/x" % peers["http"])
    equal(r.text, "hello")
    r.close()
    equal(seen()[0], [end("http")])
    print(json.dumps(totals()))


def case_short_contacts():
    for _ in range(3):
        dial().close()
    dial("lines").close()
    open_ = dial()
    equal(seen()[0], sorted([end("echo"), end("echo"), end("lines")]))
    equal(sorted([ledger.hits(i) for i in range(8) if ledger.kind(i) == HANDED_ON]), [1, 3])
    equal(len(seen()[0]), 3)  # the report was lost: again
    dial("lines").close()  # a contact after the sample
    collector.accepted()
    equal(seen()[0], sorted([end("echo"), end("lines")]))
    collector.accepted()
    equal(seen()[0], [end("echo")])
    open_.close()
    equal(seen()[0], [end("echo")])
    collector.accepted()
    equal(seen()[0], [])


def case_a_full_table():
    for i in range(20):
        dial("echo" if i % 2 else "lines").close()
    equal((number(ENDED), ledger.missed), (2, 0))
    held = [dial() for _ in range(8)]
    equal((number(CONNECTED), number(ENDED), collector.skipped), (8, 0, 2))
    extra = dial()
    extra.send(b"x")
    equal(exactly(extra, 1), b"x")
    equal((collector.skipped, len(seen()[0])), (3, 8))
    extra.close()
    for s in held:
        s.close()
    equal((number(CONNECTED), number(ENDED)), (0, 1))


def case_ipv6():
    s = socket.socket(socket.AF_INET6)
    s.connect(address("echo6", "::1"))
    s.send(b"x")
    equal(s.recv(1), b"x")
    equal(seen()[0], ["[::1]:%d" % peers["echo6"]])
    s.close()
    listener = socket.socket(socket.AF_INET6)
    listener.bind(address("free", "::"))
    listener.listen(1)
    client = real.socket()
    client.connect(address("free"))
    s, _ = listener.accept()  # IPv4 in IPv6
    found = seen()
    equal(found[1], [peers["free"]])
    assert [row for row in found[0] if row.startswith("127.0.0.1:")], found
    s.close()
    listener.close()


def lost(s):
    # What the platform's finaliser does when the garbage collector finds that nobody has `s` any more.
    s._s.close()


def case_dropped_without_close():
    for _ in range(3):
        lost(dial())
    for _ in range(3):
        equal(len(seen()[0]), 3)  # there is no telling them from open ones that rest
        collector.accepted()
    equal(seen()[0], [])
    lost(server())
    server().close()  # the port's next owner takes its entry
    equal(seen()[1], [])


def case_a_connection_that_rests():
    s = dial()
    for _ in range(3):
        equal(len(seen()[0]), 1)
        collector.accepted()
    equal(seen()[0], [])
    s.send(b"x")
    equal(seen()[0], [end("echo")])
    for _ in range(5):
        collector.accepted()
        wait(s, select.POLLIN)  # watched: it stays
        equal(seen()[0], [end("echo")])
    s.close()


def case_unix_sockets_and_ports_of_the_platforms_choice():
    s = socket.socket(socket.AF_UNIX)
    s.bind(bytes([1, 0]) + b"unix.sock\0")
    s.listen(1)
    client = socket.socket(socket.AF_UNIX)
    client.connect(bytes([1, 0]) + b"unix.sock\0")
    equal(seen(), ([], [], []))
    equal(collector.skipped, 0)
    client.close()
    s.close()
    s = socket.socket()
    s.bind(real.getaddrinfo("127.0.0.1", 0)[0][-1])
    s.listen(1)
    equal((seen()[1], collector.skipped), ([], 1))
    s.close()


def case_who_imported_socket_before():
    equal(linkpulse.session.tls_stream.socket.socket, socket_proxy.SocketProxy)
    import socket as again
    import usocket

    equal(
        (again.socket, usocket.socket, again.AF_INET),
        (socket_proxy.SocketProxy, socket_proxy.SocketProxy, real.AF_INET),
    )


globals()["case_" + sys.argv[1]]()
print("ok")
